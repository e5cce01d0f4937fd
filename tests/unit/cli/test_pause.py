import pytest

from itop_bridge.cli.main import build_parser
from itop_bridge.cli.pause import summarise_pauses


def test_a_route_is_paused_and_resumed(operator):
    code, out, _ = operator.run("pause", "--route", "r")
    first, second = out.splitlines()
    assert (code, first) == (0, "route r is paused")
    assert second.startswith("paused: r since 20")
    assert operator.run("pause", "--route", "r")[1].splitlines()[0] == "route r was paused already"
    assert operator.run("resume", "--route", "r")[:2] == (0, "route r is resumed\n")
    assert operator.run("resume", "--route", "r")[1] == "route r was not paused\n"


def test_all_is_paused_and_resumed(operator):
    assert operator.run("pause")[1].splitlines()[0] == "everything is paused"
    assert operator.query("SELECT route FROM pauses") == [("*",)]
    assert operator.run("resume")[:2] == (0, "everything is resumed\n")
    assert operator.run("resume")[:2] == (0, "everything was not paused\n")


def test_the_configuration_tells_which_routes_there_are(operator, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("routes: [{name: wazuh}]\n")
    code, out, err = operator.run("pause", "--route", "wazu", "--config", config)
    assert (code, out, err) == (1, "", "there is no route 'wazu'; did you mean wazuh?\n")
    assert operator.run("pause", "--route", "wazuh", "--config", config)[0] == 0


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_read_only_and_dry_runs_change_nothing(operator, command):
    assert operator.run("--read-only", command)[0] == 1
    assert operator.run("--dry-run", command)[0] == 2
    assert operator.query("SELECT count(*) FROM pauses") == [(0,)]


def test_a_routes_name_is_escaped():
    answer = {"changed": True, "pauses": {"a\x1b": 0}}
    assert all(line.isprintable() for line in summarise_pauses(answer, "pause", "a\n"))


@pytest.mark.parametrize("command", ["pause", "resume", "status", "reload"])
def test_every_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args([command, "--help"])
    assert f"Example: itop-bridge {command}" in capsys.readouterr().out
