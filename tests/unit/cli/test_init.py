import io
import sys

import pytest

from itop_bridge.cli import init
from itop_bridge.cli.main import build_parser, main
from itop_bridge.errors import UsageError

FLAGS = ["--mqtt-host", "broker.example", "--mqtt-tls", "--mqtt-ca-file", "ca.pem", "--mqtt-user", "bridge"]
FLAGS += ["--itop-address", "https://itop.example", "--itop-user", "bridge"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with the files of the secrets."""
    monkeypatch.chdir(tmp_path)
    for name in ("mqtt-password", "itop-password", "ca.pem"):
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(0o600)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        [],
        FLAGS,
        [*FLAGS, "--mqtt-port", "18883", "--organization", "EXC", "--route", "wazuh", "--route", "cef=logs/cef"],
        ["--no-mqtt-tls", "--mqtt-host", "localhost", "--route", "wazuh", "--route", "wazuh=other/{org}/wazuh"],
        ["--itop-address", "http://127.0.0.1:8080", "--organization", "0042", "--route", "auto=siem/#"],
    ],
)
def test_what_it_writes_passes_check(folder, capsys, words):
    assert main(["init", "--yes", *words, "c.yaml"]) == 0
    told = capsys.readouterr().out
    assert "itop-bridge check -c c.yaml" in told
    assert "itop-password" in told
    assert main(["check", "-c", "c.yaml"]) == 0


def test_without_a_name_it_writes_itop_bridge_yaml(folder):
    assert main(["init", "--yes"]) == 0
    assert (folder / "itop-bridge.yaml").exists()


def test_a_file_that_is_there_is_left_alone_without_force(folder, capsys):
    (folder / "c.yaml").write_text("mine")
    assert main(["init", "--yes", "c.yaml"]) == 1
    assert (folder / "c.yaml").read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert main(["init", "--yes", "--force", "c.yaml"]) == 0
    assert (folder / "c.yaml").read_text() != "mine"


def test_where_nobody_can_be_asked_it_wants_yes(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["init", "c.yaml"]) == 2
    assert "nobody can be asked here (no terminal): give --yes" in capsys.readouterr().err
    assert not (folder / "c.yaml").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--route", "wazu"], 78, "did you mean wazuh?"),
        (["--route", "wazuh=siem/wazuh"], 78, "no level of the route's topic is named {org}"),
        (["--route", "wazuh=siem/{org}#"], 78, "topic"),
        (["--itop-address", "itop.example"], 78, "--itop-address"),
        (["--mqtt-port", "0"], 78, "--mqtt-port"),
        (["--no-mqtt-tls", "--mqtt-ca-file", "ca.pem"], 2, "of no use"),
    ],
)
def test_answers_that_would_not_pass_are_told_and_nothing_is_written(folder, capsys, words, code, told):
    assert main(["init", "--yes", *words, "c.yaml"]) == code
    assert told in capsys.readouterr().err
    assert not (folder / "c.yaml").exists()


def gather(answers, *words):
    asked = []

    def ask(question):
        asked.append(question)
        return next((answer for start, answer in answers.items() if question.startswith(start)), "")

    return init.gather(build_parser().parse_args(["init", *words]), ask), asked


def test_what_no_option_gives_is_asked():
    answers = {"The MQTT": "b.example", "TLS": "y", "A file": "ca.pem", "Its port": "8884", "Its user": "u"}
    answers |= {
        "iTop's": "https://i.example",
        "Its account": "a",
        "The organisation": "EXC",
        "Formats": "wazuh cef=x/y",
    }
    draft, asked = gather(answers)
    assert len(asked) == 9
    assert (draft.mqtt_host, draft.mqtt_tls, draft.mqtt_ca_file, draft.mqtt_port) == ("b.example", True, "ca.pem", 8884)
    assert (draft.mqtt_user, draft.itop_address, draft.itop_user) == ("u", "https://i.example", "a")
    assert draft.routes == (("wazuh", "wazuh", "siem/wazuh"), ("cef", "cef", "x/y"))


def test_what_an_option_gives_is_not_asked():
    draft, asked = gather({}, *FLAGS, "--mqtt-port", "1", "--organization", "EXC", "--route", "cef")
    assert asked == []
    assert draft.mqtt_port == 1


def test_an_empty_answer_is_the_default():
    draft, _ = gather({})
    assert (draft.mqtt_host, draft.mqtt_port, draft.mqtt_tls, draft.mqtt_user) == ("localhost", 1883, False, "")
    assert draft.routes == (("auto", "auto", "siem/{org}/auto"),)
    assert gather({"TLS": "yes"})[0].mqtt_port == 8883


def test_a_port_that_is_no_number_is_told():
    with pytest.raises(UsageError, match="must be a number, not 'mqtt'"):
        gather({"Its port": "mqtt"})


def test_an_end_of_the_answers_writes_nothing(folder, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(""))
    assert main(["init", "c.yaml"]) == 1
    assert "nothing was written" in capsys.readouterr().err
    assert not (folder / "c.yaml").exists()


def test_a_folder_that_is_not_there_is_told(folder, capsys):
    assert main(["init", "--yes", "missing/c.yaml"]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["init", "--help"])
    assert "Example: itop-bridge init" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--route", "nope"], "--route: format: there is no format 'nope'"),
        (["--mqtt-port", "99999"], "--mqtt-port: must be 65535 or less"),
        (["--organization", "{{ topic.x }}"], "--organization: topic.x: no level"),
        (["--itop-address", "foo"], "--itop-address: must be an address"),
    ],
)
def test_what_is_wrong_is_told_of_the_option_and_not_of_a_file_that_is_not_there(folder, capsys, words, told):
    assert main(["init", "--yes", *words, "c.yaml"]) == 78
    assert capsys.readouterr().err.startswith(told)
    assert not (folder / "c.yaml").exists()


def test_another_problem_stays_as_it_is():
    assert init.name_option("something else") == "something else"
