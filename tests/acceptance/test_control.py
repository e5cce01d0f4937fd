"""Operators' commands as processes, against a daemon that runs, and against its journal when it does not."""

import asyncio
import json
import stat
import sys

import pytest
from daemon_process import Daemon, until

pytestmark = pytest.mark.mosquitto


class Done:
    """A command that has ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out.decode(), err.decode()

    @property
    def objects(self):
        return [json.loads(line) for line in self.out.splitlines()]


async def run(daemon, *words):
    """Run a command for operators."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "itop_bridge.cli.main", *map(str, words), "--config", str(daemon.config)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=daemon.folder,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return Done(process.returncode, out, err)


def alert(number, rule="r", **changes):
    return json.dumps({"id": f"a{number}", "title": f"Rule {rule}", "rule": rule, "severity": "high", **changes})


def mend(daemon, old, new):
    text = daemon.config.read_text()
    assert old in text
    daemon.config.write_text(text.replace(old, new))


async def test_a_dead_letter_is_listed_shown_and_retried_once_the_configuration_is_mended(daemon, mosquitto, itop):
    mend(daemon, "group_by: [rule]", "group_by: [rule], when: 'raw.level > 3'")
    await daemon.start()
    assert stat.S_IMODE((daemon.folder / "journal.db.control").lstat().st_mode) == 0o600
    await mosquitto.publish("siem/EXC/generic", [b"{not json\x1b[2J", alert(1, level="much"), alert(2, level=5)])
    await daemon.settled(3)

    listed = await run(daemon, "dead-letters", "list", "--json")
    assert [(each["id"], each["reason"], each["state"]) for each in listed.objects] == [
        (1, "invalid_json", "open"),
        (2, "expression_failed", "open"),
    ]
    shown = await run(daemon, "dead-letters", "show", "1")
    assert "\n  | {not json\\x1b[2J\n" in shown.out
    assert (await run(daemon, "dead-letters", "show", "2", "--json")).objects[0]["route"] == "generic"
    assert (await run(daemon, "dead-letters", "show", "77")).code == 1

    still = await run(daemon, "dead-letters", "retry", "--all")
    assert (still.code, still.out) == (0, "retried 2: 2 dead again\n")

    mend(daemon, "raw.level > 3", "raw.level > ")
    bad = await run(daemon, "reload")
    assert (bad.code, bad.out) == (78, "")
    assert "itop-bridge.yaml:" in bad.err
    mend(daemon, ", when: 'raw.level > '", "")
    assert (await run(daemon, "reload")).out == "ok: 4 routes\n"

    done = await run(daemon, "dead-letters", "retry", "--all")
    assert (done.code, done.out) == (0, "retried 2: 1 landed, 1 dead again\n")
    again = await run(daemon, "dead-letters", "retry", "2")
    assert again.out == "no open dead letter to retry\n"
    await daemon.settled(3)
    [incident] = itop.objects("Incident")
    assert len(incident["public_log"]) == 2

    life = await run(daemon, "events", "show", "--alert", "a1")
    assert f"outcome      delivered: append, incident {incident['ref']}" in life.out, life.out
    case = await run(daemon, "cases", "show", incident["ref"])
    assert f"create in {incident['ref']}" in case.out
    assert [e["operation"] for e in daemon.events() if e["event"] == "control.performed"] == [
        "retry-letters",
        "reload",
        "retry-letters",
        "retry-letters",
    ]


async def test_what_is_paused_is_not_sent_until_it_is_resumed(daemon, mosquitto, itop):
    await daemon.start()
    assert (await run(daemon, "pause", "--route", "generik")).err == (
        "there is no route 'generik'; did you mean generic?\n"
    )
    assert (await run(daemon, "pause", "--route", "generic")).code == 0
    await mosquitto.publish("siem/EXC/generic", [alert(1)])
    await mosquitto.publish("siem/EXC/wazuh", ['{"rule": {"level": 9, "description": "d", "id": "1"}, "id": "1.1"}'])
    await until(lambda: len(itop.objects("Incident")) == 1, what="the other route", rig=daemon)
    await daemon.alarm("delivery_paused")
    [status] = (await run(daemon, "status", "--json")).objects
    assert (status["ready"], list(status["pauses"]), status["journal"]["pending"]) == (True, ["generic"], 1)

    assert await daemon.stop() == 0
    await daemon.start()
    text = await run(daemon, "status")
    assert text.code == 0
    assert "paused        generic since" in text.out
    assert len(itop.objects("Incident")) == 1

    assert (await run(daemon, "resume", "--route", "generic")).out == "route generic is resumed\n"
    await until(lambda: len(itop.objects("Incident")) == 2, what="the resumed route", rig=daemon)


async def test_a_bad_rules_incidents_are_resolved(daemon, mosquitto, itop):
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [alert(number, f"rule {number}") for number in range(5)])
    await daemon.settled(5)
    words = ["cases", "resolve", "--route", "generic", "--since", "1h"]
    assert (await run(daemon, *words)).code == 2
    assert (await run(daemon, *words, "--dry-run")).out == "would resolve 5 cases\n"
    done = await run(daemon, *words, "--yes")
    assert (done.code, done.out) == (0, "asked for the resolution of 5 cases: 5 settled, 0 still owed to iTop\n")
    assert {incident["status"] for incident in itop.objects("Incident")} == {"resolved"}
    assert (await run(daemon, "cases", "list", "--state", "open", "--json")).objects == []


async def test_the_same_commands_work_while_the_daemon_is_stopped(daemon, mosquitto, itop):
    missing = await run(daemon, "dead-letters", "list")
    assert missing.code == 1
    assert "there is no journal" in missing.err
    assert not daemon.journal.exists()

    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [b"{not json", alert(1)])
    await daemon.settled(2)
    assert await daemon.stop() == 0
    assert not (daemon.folder / "journal.db.control").exists()

    assert len((await run(daemon, "dead-letters", "list", "--json")).objects) == 1
    assert "delivered" in (await run(daemon, "events", "show", "2")).out
    status = await run(daemon, "status")
    assert (status.code, "does not run" in status.out) == (1, True)
    assert (await run(daemon, "reload")).code == 1
    assert (await run(daemon, "pause")).code == 0
    assert (await run(daemon, "dead-letters", "retry", "1")).out == "retried 1: taken up when the daemon starts\n"

    await daemon.start()
    await until(
        lambda: daemon.rows("SELECT state FROM dead_letters") == [("open",)],
        what="the letter is worked off",
        rig=daemon,
    )
    assert (await run(daemon, "resume")).out == "everything is resumed\n"


async def test_two_at_once_do_everything_once(daemon, mosquitto):
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [b"{not json"] * 40)
    await daemon.settled(40)
    both = await asyncio.gather(*[run(daemon, "dead-letters", "drop", "--all", "--yes", "--json") for _ in range(2)])
    assert [each.code for each in both] == [0, 0]
    assert sum(each.objects[0]["changed"] for each in both) == 40

    await mosquitto.publish("siem/EXC/generic", [b"{not json"] * 40)
    await daemon.settled(80)
    assert await daemon.stop() == 0
    both = await asyncio.gather(*[run(daemon, "dead-letters", "drop", "--all", "--yes", "--json") for _ in range(2)])
    assert [each.code for each in both] == [0, 0]
    assert sum(each.objects[0]["changed"] for each in both) == 40


async def test_a_daemon_that_can_make_no_socket_works_and_says_so(tmp_path, mosquitto, itop):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    daemon = Daemon(folder, mosquitto.port, itop.url)
    try:
        await daemon.start()
        [told] = [e for e in daemon.events() if e["event"] == "control.unavailable"]
        assert "journal.path" in told["detail"]
        await mosquitto.publish("siem/EXC/generic", [alert(1)])
        await daemon.settled(1)
        refused = await run(daemon, "status")
        assert refused.code == 1
        assert "nobody answers at its control socket" in refused.err
    finally:
        await daemon.stop()


async def test_what_was_filtered_is_replayed_once_over_a_kill(daemon, mosquitto, itop):
    mend(daemon, "group_by: [rule]", "group_by: [rule], when: alert.severity >= 'critical'")
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [alert(number, f"r{number % 5}") for number in range(1_500)])
    await daemon.settled(1_500)
    assert itop.objects("Incident") == []
    mend(daemon, ", when: alert.severity >= 'critical'", "")
    assert (await run(daemon, "reload")).code == 0
    words = ("replay", "--since", "1h", "--route", "generic")
    assert (await run(daemon, *words, "--dry-run")).out == "would replay 1500 events: 1500 landed\n"

    replaying = asyncio.create_task(run(daemon, *words))
    landed = "SELECT count(*) FROM intents"
    await until(lambda: daemon.count(landed) > 0, what="the replay", rig=daemon)
    daemon.process.kill()
    await daemon.process.wait()
    await replaying
    await daemon.start()
    done = await run(daemon, *words)
    assert done.code == 0, done.err
    await daemon.settled(1_500)
    assert daemon.count(landed) == daemon.count("SELECT count(DISTINCT event_id) FROM intents") == 1_500
    assert daemon.count("SELECT count(*) FROM drops") == 0
    assert len(itop.objects("Incident")) == 5
    assert (await run(daemon, *words)).out == "replayed 1500 events: 1500 landed before\n"


async def test_recorded_alerts_are_taken_in_once(daemon, mosquitto, itop):
    await daemon.start()
    recording = daemon.folder / "alerts.ndjson"
    recording.write_text("\n".join(alert(number) for number in range(3)) + "\n{not json\n")
    words = ("replay", recording, "--topic", "siem/EXC/generic")
    first = await run(daemon, *words)
    assert (first.code, first.out) == (0, "took in 4 payloads: 3 landed, 1 dead\n")
    assert (await run(daemon, *words)).out == "took in 0 payloads; 4 taken in before\n"
    await daemon.settled(4)
    assert len(itop.objects("Incident")) == 1
    [told] = [e for e in daemon.events() if e["event"] == "control.performed"][:1]
    assert told["request"] == {"topic": "siem/EXC/generic", "alerts": 4}
