"""A backup is taken while the daemon runs, life goes on, and then the backup is put back: no incident comes twice."""

import json
import shutil
import subprocess
import sys
from collections import Counter

import pytest

from itop_bridge.simulator.fault import Fault, Kind

pytestmark = pytest.mark.mosquitto


def generic(number, rule, **changes):
    alert = {"id": f"a{number}", "title": f"Rule {rule}", "rule": rule, "severity": "high", "host": "srv-01"}
    return json.dumps({**alert, "time": "2026-11-24T10:00:00Z", **changes})


def back_up(daemon):
    """The copy that the command makes."""
    copy = daemon.folder / "copy.db"
    command = [sys.executable, "-m", "itop_bridge.cli.main", "backup", "--journal", daemon.journal, copy]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return copy


def restore(daemon, copy):
    """As docs/operations.md says: what stands beside the journal goes too, since it belongs to the other file."""
    for end in ("", "-wal", "-shm"):
        daemon.journal.with_name(daemon.journal.name + end).unlink(missing_ok=True)
    shutil.copyfile(copy, daemon.journal)


def titles(itop):
    return Counter(incident["title"].partition("]")[0] for incident in itop.objects("Incident"))


async def test_cases_that_the_backup_does_not_know_are_found_in_itop_by_their_keys(daemon, mosquitto, itop):
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [generic(1, "old")])
    await daemon.settled(1)
    copy = back_up(daemon)
    await mosquitto.publish("siem/EXC/generic", [generic(2, "old"), generic(3, "new")])
    await daemon.settled(3)
    assert await daemon.stop() == 0
    before = titles(itop)
    assert len(before) == 2

    restore(daemon, copy)
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [generic(4, "old"), generic(5, "new")])
    await daemon.settled(3)
    assert titles(itop) == before == Counter(list(before))
    logs = {i["title"]: [entry["message"] for entry in i["public_log"]] for i in itop.objects("Incident")}
    assert sorted(map(len, logs.values())) == [2, 3]


async def test_what_was_owed_when_it_was_taken_and_done_since_makes_no_second_incident(daemon, mosquitto, itop):
    await daemon.start()
    itop.faults.add(Fault(Kind.MAINTENANCE, times=None))
    await mosquitto.publish("siem/EXC/generic", [generic(1, "r")])
    await daemon.alarm("itop_unreachable")
    copy = back_up(daemon)
    itop.faults.clear()
    await daemon.settled(1)
    assert await daemon.stop() == 0
    assert len(itop.objects("Incident")) == 1

    restore(daemon, copy)
    await daemon.start()
    await daemon.settled(1)
    [incident] = itop.objects("Incident")
    # its alert is told again in the log: the backup knows of no entry
    assert len(incident["public_log"]) == 2


async def test_what_a_person_resolved_since_stays_resolved(daemon, mosquitto, itop):
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [generic(1, "r")])
    await daemon.settled(1)
    copy = back_up(daemon)
    await mosquitto.publish("siem/EXC/generic", [generic(1, "r", state="resolved")])
    await daemon.settled(2)
    assert await daemon.stop() == 0
    [incident] = itop.objects("Incident")
    assert incident["status"] == "resolved"
    entries = len(incident["public_log"])

    restore(daemon, copy)
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [generic(1, "r", state="resolved", title="again")])
    await daemon.settled(2)
    [incident] = itop.objects("Incident")
    assert (incident["status"], len(incident["public_log"])) == ("resolved", entries)
