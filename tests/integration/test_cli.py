"""The commands as processes against the simulator over HTTP: what each prints, and its exit status."""

import concurrent.futures
import csv
import io
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from itop_server import serve_itop, write_legacy

from itop_bridge.simulator.fault import Fault, Kind

ROOT = Path(__file__).parents[2]
VARIABLES = [
    "source_ip:1.2.3.4",
    "signatures:sig1,sig2,sig3,sig4",
    "dest_ip:4.3.2.1",
    "time:now",
    "username:Someone",
    "comment:Analyst comment here",
    "case_name:SOC-EXC-SIEM-011",
]
TITLE = "SOC-EXC-SIEM-011"
TEMPLATE = "<p>{{ comment }}</p>"


class Shell:
    """Runs commands as an operator would, and shows what iTop holds."""

    def __init__(self, folder, simulator, url):
        self.folder, self.simulator, self.url = folder, simulator, url
        self.config = self.configure()
        (folder / "t.html").write_text(TEMPLATE)

    def configure(self, user="admin", password=None, name="c.yaml", **commands):
        """A configuration file."""
        path = self.folder / name
        itop = {"address": self.url, "user": user, "password": user if password is None else password}
        itop |= {"timeout": "2s", "server_time_limit": "2s"}
        path.write_text(json.dumps({"itop": itop, "commands": {"lock_folder": "locks", **commands}}))
        return path

    def run(self, *words, config=None, program=(sys.executable, "-m", "itop_bridge.cli.main")):
        return subprocess.run(
            [*program, "--config", str(config or self.config), *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder)},
        )

    def create(self, title=TITLE, text="a comment", *more, **options):
        words = ["--inc-title", title, "--inc-urgency", 2, "--org-code", "EXC", "--template", "t.html"]
        variables = [] if "--vars" in more else ["--vars", "comment:c"]
        return self.run("incident-siem-create", *words, "--text", text, *variables, *more, **options)

    @property
    def incidents(self):
        return self.simulator.objects("Incident")

    def entries(self, place=0):
        return [entry["message"].rpartition("\n")[0] for entry in self.incidents[place]["public_log"]]


@pytest.fixture
def shell(tmp_path):
    with serve_itop() as (simulator, url):
        yield Shell(tmp_path, simulator, url)


def assert_done(done, out, code=0, err=""):
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)


def assert_failed(done, told, code=1):
    """One line that says what is wrong."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


# the older tool's example, as its README has it (with the backslashes that two of its lines lack)


@pytest.mark.parametrize("name", ["soc.apiclient.itop", "itop-bridge"])
def test_the_older_tools_example_runs(shell, tmp_path, name):
    config = write_legacy(tmp_path, shell.url)
    script = Path(sys.executable).with_name(name)
    words = ["--mail-server", "172.16.253.88", "incident-siem-create", "--inc_title", TITLE, "--inc-urgency", "1"]
    words += ["--org-code", "EXC", "--text", "This this a new comment", "--vars", *VARIABLES]
    assert_done(shell.run(*words, config=config, program=[script]), "created I-000001 (id 1)\n")
    assert_done(shell.run(*words, config=config, program=[script]), "updated I-000001 (id 1)\n")
    (incident,) = shell.incidents
    assert (incident["title"], incident["urgency"], incident["impact"]) == (TITLE, "1", "3")
    assert "<li>sig3</li>" in incident["description"]
    assert shell.entries() == ["This this a new comment"] * 2


def test_the_settings_reproduce_what_the_older_tool_wrote(shell):
    """config/soc-legacy.yaml, with a team and an agent that this iTop has."""
    text = (ROOT / "config" / "soc-legacy.yaml").read_text()
    for old, new in {
        "https://itop.example": shell.url,
        "{file: itop-password}": "admin",
        "user: itop-user": "user: admin",
        "SOC_Analysts": "SOC",
        "Analyst SOC (Generic)": "Alice Agent",
        "Security Incident (Escalated)": "SIEM alert",
        "#lock_folder: /run/lock/itop-bridge": "lock_folder: locks",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (shell.folder / "legacy.yaml").write_text(text)
    shell.config = shell.folder / "legacy.yaml"
    assert_done(shell.create(), "created I-000001 (id 1)\n")
    (incident,) = shell.incidents
    shown = ("service_name", "servicesubcategory_name", "team_name", "agent_id", "status", "pending_reason", "impact")
    assert [incident[name] for name in shown] == [
        "CSOC - Security Monitoring",
        "SIEM alert",
        "SOC",
        "3",
        "pending",
        "Waiting for feedback",
        "3",
    ]
    assert shell.run("incident-siem-publog", "--inc", TITLE, "--text", "more").returncode == 0
    assert shell.incidents[0]["status"] == "pending"


# incident-siem


def test_parallel_creates_on_one_case_give_one_incident_and_every_entry(shell):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda number: shell.create(TITLE, f"entry {number}"), range(4)))
    assert [each.returncode for each in done] == [0] * 4, [each.stderr for each in done]
    assert sorted(each.stdout.split()[0] for each in done) == ["created", "updated", "updated", "updated"]
    assert len(shell.incidents) == 1
    assert sorted(shell.entries()) == [f"entry {number}" for number in range(4)]


def test_get_lists_incidents_in_every_format(shell):
    shell.create()
    columns = ["id", "ref", "title", "org_id", "org_name", "operational_status"]
    row = ["1", "I-000001", TITLE, "2", "Example Customer", "ongoing"]
    table = "\t".join(columns) + "\n" + "\t".join(row) + "\n"
    for words in (
        [],
        ["--inc", TITLE],
        ["--inc", "1"],
        ["--inc", "I-000001"],
        ["--inc_id", "1"],
        ["--inc-name", "I-000001"],
        ["--inc-title", TITLE, "--org-name", "Example Customer"],
        ["--org-id", "2"],
    ):
        assert_done(shell.run("incident-siem-get", *words), table)
    for words in (["--inc", "I-000002"], ["--org-code", "OTH"], ["--inc", "None such"]):
        assert_done(shell.run("incident-siem-get", *words), "\t".join(columns) + "\n")
    shown = shell.run("--output-format", "json", "incident-siem-get").stdout
    assert json.loads(shown) == [dict(zip(columns, [1, *row[1:]], strict=True))]
    shown = shell.run("incident-siem-get", "--output-format=csv").stdout
    assert list(csv.reader(io.StringIO(shown))) == [columns, row]


def test_exists_is_told_by_the_exit_status(shell):
    shell.create()
    assert_done(shell.run("incident-siem-exists", "--inc", TITLE), "yes: I-000001\n")
    assert_done(shell.run("incident-siem-exists", "--inc", "I-000009"), "no\n", code=1)
    assert shell.run("incident-siem-exists").returncode == 2


@pytest.mark.parametrize(
    "kind", [Kind.REFUSE, Kind.HTTP_500, Kind.MAINTENANCE, Kind.HTML_200, Kind.TRUNCATE, Kind.RATE_LIMIT, Kind.BAD_GZIP]
)
def test_an_outage_is_never_a_no(shell, kind):
    shell.simulator.faults.add(Fault(kind, times=None))
    done = shell.run("incident-siem-exists", "--inc", TITLE)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1


def test_neither_is_a_wrong_password_an_unknown_organisation_or_an_itop_that_is_not_there(shell):
    wrong = shell.configure(password="wrong", name="wrong.yaml")
    assert shell.run("incident-siem-exists", "--inc", TITLE, config=wrong).returncode == 3
    assert shell.run("incident-siem-exists", "--inc", TITLE, "--org-code", "NO").returncode == 3
    shell.url = "http://127.0.0.1:9"
    nowhere = shell.configure(name="nowhere.yaml")
    assert_failed(
        shell.run("incident-siem-exists", "--inc", TITLE, config=nowhere),
        f"nothing was done; check itop.address in {nowhere}",
        code=3,
    )


def test_publog_appends_and_diff_only_what_is_new(shell):
    shell.create(TITLE, "first")
    publog = ["incident-siem-publog", "--inc", TITLE]
    assert_done(shell.run(*publog, "--text", "second\nthird"), "updated I-000001 (id 1)\n")
    assert_done(shell.run(*publog, "--diff", "--text", "third\nfourth (.*)"), "updated I-000001 (id 1)\n")
    assert_done(shell.run(*publog, "--diff", "--text", "fourth (.*)"), "unchanged I-000001 (id 1)\n")
    assert shell.entries() == ["first", "second\nthird", "fourth (.*)"]


def test_text_is_text_unless_it_is_said_to_be_html(shell):
    text = "from <SRC_IP> & <b>bold</b><script>alert(1)</script>"
    shell.create(TITLE, text)
    assert shell.entries() == [text]
    assert shell.run("incident-siem-publog", "--inc", "1", "--html", "--text", text).returncode == 0
    stored = shell.incidents[0]["public_log"][-1]["message_html"]
    assert "<b>bold</b>" in stored
    assert "script" not in stored


def test_variables_are_text_in_the_description(shell):
    shell.create(TITLE, "x", "--vars", "comment:<SRC_IP> & 12:30:00")
    assert "&lt;SRC_IP&gt; &amp; 12:30:00" in shell.incidents[0]["description"]


def test_resolve_takes_the_incident_to_resolved(shell):
    shell.create()
    words = ["incident-siem-resolve", "--inc", TITLE, "--text", "closing", "--solution", "patched <now>"]
    assert_done(shell.run(*words, "--resolution-code", "software patch"), "resolved I-000001 (id 1)\n")
    (incident,) = shell.incidents
    assert (incident["status"], incident["resolution_code"]) == ("resolved", "software patch")
    assert "patched (now)" in incident["solution"]
    assert shell.entries()[-1] == "closing"
    assert_done(
        shell.run("incident-siem-resolve", "--inc", TITLE),
        "unchanged I-000001 (id 1)\n",
        err="I-000001 is resolved already\n",
    )


def test_a_resolution_code_that_itop_does_not_have_is_told(shell):
    shell.create()
    done = shell.run("incident-siem-resolve", "--inc", TITLE, "--resolution-code", "magic")
    assert_failed(done, "resolution_code")


def test_a_write_whose_answer_is_lost_is_found(shell):
    shell.simulator.faults.add(Fault(Kind.RESET_AFTER, operation="core/create"))
    done = shell.create()
    assert (done.returncode, done.stdout) == (0, "created I-000001 (id 1)\n")
    assert "looking for up to 2 s whether it was done" in done.stderr
    assert len(shell.incidents) == 1


# what the user is told


def test_a_wrong_password_is_told(shell):
    done = shell.create(config=shell.configure(password="wr0ng-s3cret", name="w.yaml"))
    assert_failed(done, f"Invalid login; check user and password in {shell.folder / 'w.yaml'}")
    assert "wr0ng" not in done.stderr


def test_a_user_without_rights_is_told(shell):
    done = shell.create(config=shell.configure("rest_only", name="r.yaml"))
    assert_failed(done, "enough permissions for creating data of class Incident; nothing was done; the user needs")


def test_an_unknown_organisation_is_told(shell):
    words = ["incident-siem-create", "--inc-title", TITLE, "--inc-urgency", 1, "--template", "t.html", "--vars"]
    done = shell.run(*words, "comment:c", "--org-code", "NOPE")
    assert_failed(done, "no organisation with the code 'NOPE'")


def test_an_ambiguous_title_is_told(shell):
    for _ in range(2):
        shell.run("core-create", "Incident", "--fields", "org_id=int:2", "title=twice", "description=d")
    done = shell.run("incident-siem-publog", "--inc", "twice", "--text", "x")
    assert_failed(done, "2 incidents are with the title 'twice': name one of I-000001, I-000002")


def test_a_long_title_is_shortened_and_kept_in_the_description(shell):
    title = ("Brute force on srv " * 16)[:300].strip()
    done = shell.create(title)
    assert (done.returncode, done.stdout) == (0, "created I-000001 (id 1)\n")
    assert done.stderr == "the title is too long for iTop: it was shortened, and stands whole in the description\n"
    (incident,) = shell.incidents
    assert len(incident["title"]) <= 255
    assert incident["title"].endswith("…")
    assert title in incident["description"]
    assert shell.create(title).stdout == "updated I-000001 (id 1)\n"


def test_a_description_that_is_too_long_is_shortened(shell):
    (shell.folder / "t.html").write_text("<p>{{ comment * 1 }}</p>".replace(" * 1", ""))
    done = shell.create(TITLE, "x", "--vars", "comment:" + "word " * 20_000)
    assert (done.returncode, done.stdout) == (0, "created I-000001 (id 1)\n")
    assert done.stderr == "the description is too long for iTop: its values were cut short\n"
    assert 50_000 < len(shell.incidents[0]["description"]) <= 65_535


def test_a_missing_variable_is_named(shell):
    words = ["incident-siem-create", "--inc-title", TITLE, "--inc-urgency", 1, "--org-code", "EXC", "--vars"]
    done = shell.run(*words, *VARIABLES[:4])
    assert_failed(done, "the template wants case_name, comment, username", code=2)
    assert shell.simulator.calls == []


def test_a_wrong_setting_is_told(shell):
    config = shell.configure(name="s.yaml", settings={"incident-siem": {"teem": "SOC", "impact": 9}})
    done = shell.create(config=config)
    assert done.returncode == 78
    assert "commands.settings.incident-siem.teem: unknown setting of incident-siem; did you mean team?" in done.stderr
    assert "impact is 1 to 3, not 9" in done.stderr


def test_verbose_tells_the_causes(shell):
    shell.url = "http://127.0.0.1:9"
    done = shell.run("-v", "orgs-get", config=shell.configure(name="n.yaml"))
    assert done.returncode == 1
    assert done.stderr.count("\n") > 1
    assert "ConnectionRefusedError" in done.stderr


def test_an_unexpected_argument_is_usage(shell):
    assert shell.create(TITLE, "x", "--inc-urgency", "7").returncode == 2


# read-only, dry run, log, mail


def test_read_only_sends_no_write(shell):
    assert_failed(shell.create(TITLE, "x", "--read-only"), "the connection is read-only: core/create was not sent")
    assert shell.simulator.count("core/create") == 0
    assert shell.run("--read-only", "orgs-get").returncode == 0


def test_a_dry_run_prints_the_calls_and_sends_none(shell):
    done = shell.create(TITLE, "x", "--dry-run")
    assert done.returncode == 0
    calls = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["operation"] for each in calls] == ["core/get", "core/get", "core/create"]
    assert calls[2]["fields"]["title"] == TITLE
    done = shell.run("--dry-run", "incident-siem-resolve", "--inc", "I-000001", "--text", "x")
    assert [json.loads(line)["operation"] for line in done.stdout.splitlines()] == ["core/get", "core/apply_stimulus"]
    assert shell.run("--dry-run", "incident-siem-exists", "--inc", "1").returncode == 3
    for words in (["orgs-get"], ["core-list"], ["core-delete", "Person", "3"], ["person-get", "--name", "x"]):
        done = shell.run("--dry-run", *words)
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done
    assert shell.simulator.calls == []


def test_the_log_tells_what_was_run_and_no_secret(shell):
    config = shell.configure(password="wr0ng-s3cret", name="w.yaml")
    shell.run("--logfile", "x.log", "orgs-get")
    shell.run("--logfile", "x.log", "orgs-get", config=config)
    lines = [json.loads(line) for line in (shell.folder / "x.log").read_text().splitlines()]
    assert [each["event"] for each in lines] == [
        "command.started",
        "command.finished",
        "command.started",
        "command.failed",
    ]
    assert {each["command"] for each in lines} == {"orgs-get"}
    assert "wr0ng" not in (shell.folder / "x.log").read_text()
    assert_failed(shell.run("--logfile", "none/x.log", "orgs-get"), "cannot write the log none/x.log: No such file")


class Inbox:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the name is aiosmtpd's
        self.mails.append(envelope.content.decode())
        return "250 OK"


@pytest.fixture
def inbox():
    inbox = Inbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    inbox.options = [
        "--notify-mail",
        "--mail-server",
        f"127.0.0.1:{port}",
        "--mail-recipients",
        "a@x.example",
        "b@x.example",
    ]
    yield inbox
    controller.stop()


def test_a_failure_is_mailed_and_what_went_well_is_not(shell, inbox):
    assert shell.run(*inbox.options, "orgs-get").returncode == 0
    assert shell.run(*inbox.options, "incident-siem-exists", "--inc", "9").returncode == 1
    assert inbox.mails == []
    config = shell.configure(password="wr0ng-s3cret", name="w.yaml")
    assert_failed(shell.run(*inbox.options, "orgs-get", config=config), "Invalid login")
    (mail,) = inbox.mails
    assert "Subject: itop-bridge: orgs-get failed on" in mail
    assert "multipart/alternative" in mail
    assert "Invalid login" in mail
    assert "wr0ng" not in mail


def test_a_mail_that_cannot_be_sent_changes_no_exit_status(shell):
    config = shell.configure(password="wrong", name="w.yaml")
    options = ["--notify-mail", "--mail-server", "127.0.0.1:9", "--mail-recipients", "a@x.example"]
    done = shell.run(*options, "incident-siem-exists", "--inc", "9", config=config)
    assert done.returncode == 3
    assert "the mail was not sent: 127.0.0.1:9: " in done.stderr


# core, organizations, person


def test_core_list_tells_operations_and_factories(shell):
    done = shell.run("core-list")
    assert done.stdout.splitlines()[0] == "operation\tdescription"
    assert "core/get\tSearch for objects" in done.stdout
    done = shell.run("core-list", "factories")
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()[1:]] == [
        ["core", "loaded"],
        ["incident-siem", "loaded"],
        ["organizations", "loaded"],
        ["person", "loaded"],
    ]


def test_core_get_takes_attributes_types_and_nested_keys(shell):
    words = ["core-get", "Person", "--output", "first_name", "email", "--keys"]
    expected = "id\tfirst_name\temail\n2\tCarla\tcarla@example.com\n"
    for keys in (["name=Caller", "org_id=int:2"], ["name=Caller", "org_id.code=EXC"]):
        assert_done(shell.run(*words, *keys), expected)
    query = "SELECT Person WHERE name = 'Caller'"
    assert_done(shell.run("core-get", "Person", "--output", "first_name,email", "--oql", query), expected)
    assert len(shell.run("core-get", "Organization").stdout.splitlines()) == 4
    assert_failed(shell.run("core-get", "Persn"), "class: 'Persn' is not a valid class")


def test_core_creates_changes_stimulates_and_deletes(shell):
    fields = ["org_id.code=EXC", "title=t", "description=d", "urgency=int:1"]
    assert_done(shell.run("core-create", "Incident", "--fields", *fields), "class\tid\tname\nIncident\t1\tI-000001\n")
    row = "class\tid\tname\nIncident\t1\tI-000001\n"
    assert_done(shell.run("core-update", "Incident", "1", "--fields", "title=a=b"), row)
    assert shell.incidents[0]["title"] == "a=b"
    query = "SELECT Incident WHERE ref = 'I-000001'"
    assert_done(shell.run("core-stimulus", "Incident", query, "ev_autoresolve", "--fields", "solution=s"), row)
    assert shell.incidents[0]["status"] == "resolved"
    done = shell.run("core-delete", "Incident", "1", "--simulate")
    assert_done(done, row, err="SIMULATING: Deleted: 1\n")
    assert len(shell.incidents) == 1
    assert_done(shell.run("core-delete", "Incident", "1"), row, err="Deleted: 1\n")
    assert shell.incidents == []
    assert_failed(shell.run("core-update", "Incident", "one", "--fields", "a=b"), "names no object", code=2)
    assert_failed(shell.run("core-stimulus", "Incident", "9", "ev_x"), "Invalid object Incident::9")


def test_organizations_and_persons_are_listed(shell):
    for words in ([], ["--org-id", "2"], ["--org-code", "EXC"], ["--org-name", "Example Customer"]):
        assert "2\tExample Customer\tEXC\tactive\t\n" in shell.run("orgs-get", *words).stdout
    done = shell.run("person-get", "--org-code", "EXC", "--name", "Caller")
    assert_done(
        done,
        "id\tfirst_name\tname\temail\tphone\torg_name\n2\tCarla\tCaller\tcarla@example.com\t\tExample Customer\n",
    )


def test_a_long_listing_is_read_in_pages(shell):
    for number in range(201):
        shell.simulator.store.insert(_person(shell.simulator, 1000 + number))
    assert len(shell.run("person-get").stdout.splitlines()) == 1 + 5 + 201
    assert shell.simulator.count("core/get") == 2


def _person(simulator, object_id):
    row = simulator.store.get("Person", 3)
    return type(row)(object_id, row.model, dict(row.values))


# a site's own factory


OWN = """
from itop_bridge.factory import GetAction, command

NAME = "teams"


def add_parser(subparsers):
    subparsers.add_parser("teams-get", help="list teams").set_defaults(run=command(list_teams))


async def list_teams(session, args):
    teams = await session.read_all(GetAction(iclass="Team", output=["name"]))
    session.show([{"id": each.key, **each.fields} for each in teams], ["id", "name"])
"""


def test_a_sites_own_factory_adds_its_commands_and_a_broken_one_takes_nothing_down(shell):
    (shell.folder / "own").mkdir()
    (shell.folder / "own" / "teams.py").write_text(OWN)
    (shell.folder / "own" / "broken.py").write_text("1 +")
    text = json.loads(shell.config.read_text())
    shell.config.write_text(json.dumps({**text, "factories": ["own"]}))
    done = shell.run("teams-get")
    assert (done.returncode, done.stdout) == (0, "id\tname\n6\tSOC\n")
    assert "the factory broken" in done.stderr
    assert "teams-get" in shell.run("--help").stdout
    done = shell.run("core-list", "factories")
    assert any(line.startswith("broken\tfailed\t") for line in done.stdout.splitlines())


# the shell


def test_the_shell_is_told_how_a_word_goes_on(tmp_path):
    script = 'exec 8>out 9>err; exec "$0" -m itop_bridge.cli.main'
    env = {"PATH": "/usr/bin:/bin", "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\v", "COMP_TYPE": "9"}
    env |= {"COMP_LINE": "itop-bridge incident-siem-c", "COMP_POINT": "27"}
    subprocess.run(["bash", "-c", script, sys.executable], env=env, cwd=tmp_path, check=False, timeout=60)
    assert (tmp_path / "out").read_text().strip("\v ") == "incident-siem-create"
