"""The daemon on a host that fails it: what was not stored is not acknowledged, and comes again.

Disk full and a failed flush are put between the daemon and the kernel (LD_PRELOAD); file descriptors, permissions and
files are the host's own.
"""

import asyncio
import contextlib
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from daemon_process import until

from itop_bridge.journal.schema import load_migrations, migrate

pytestmark = pytest.mark.mosquitto

SHIM = Path(__file__).parents[1] / "fakes" / "broken_disk.c"
TOKEN = re.compile(r"\[sb:[0-9a-f]{16}\]")
COUNT = re.compile(r"(\d+) alerts?\b")


def alerts(*numbers):
    told = {"title": "Rule", "rule": "r", "severity": "high"}
    return [json.dumps({**told, "id": f"a{number}", "host": f"srv-{number}"}) for number in numbers]


def told(itop):
    """How many alerts iTop's logs stand for; each token must stand there once."""
    texts = [entry["message"] for incident in itop.objects("Incident") for entry in incident["public_log"]]
    assert max(Counter(token for text in texts for token in TOKEN.findall(text)).values()) == 1
    return sum(int(COUNT.search(text)[1]) for text in texts)


def logged(daemon, name):
    return [event for event in daemon.events() if event["event"] == name]


class Disk:
    """The disk under the journal."""

    def __init__(self, folder):
        self.full = folder / "disk-is-full"
        self.broken = folder / "disk-is-broken"
        library = folder / "broken_disk.so"
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
        self.environment = {
            "LD_PRELOAD": str(library),
            "DISK_FULL": str(self.full),
            "DISK_BROKEN": str(self.broken),
        }


@pytest.fixture
def disk(tmp_path):
    if shutil.which("cc") is None:
        give_up = pytest.fail if os.environ.get("REQUIRE_MOSQUITTO") else pytest.skip
        give_up("NOT TESTED: there is no C compiler to make a disk that fails")
    return Disk(tmp_path)


async def test_a_full_disk_pauses_intake_and_heals_by_itself(daemon, mosquitto, itop, disk):
    await daemon.start(**disk.environment)
    await mosquitto.publish("siem/EXC/generic", alerts(0))
    await daemon.settled(1)
    disk.full.touch()
    await mosquitto.publish("siem/EXC/generic", alerts(*range(1, 21)))
    await daemon.alarm("journal_full")
    assert daemon.count("SELECT count(*) FROM events") == 1
    disk.full.unlink()
    await daemon.settled(21)
    assert told(itop) == 21
    await until(lambda: logged(daemon, "alarm.cleared"), what="the end of the alarm", rig=daemon)
    assert await daemon.stop() == 0


async def test_what_came_while_the_disk_was_full_was_not_acknowledged(daemon, mosquitto, itop, disk):
    await daemon.start(**disk.environment)
    disk.full.touch()
    await mosquitto.publish("siem/EXC/generic", alerts(*range(20)))
    await daemon.alarm("journal_full")
    assert await daemon.stop() == 0
    disk.full.unlink()
    await daemon.start(**disk.environment)
    await daemon.settled(20)
    assert told(itop) == 20


async def test_a_flush_that_fails_ends_the_daemon_and_nothing_is_lost_or_doubled(daemon, mosquitto, itop, disk):
    await daemon.start(**disk.environment)
    await mosquitto.publish("siem/EXC/generic", alerts(0))
    await daemon.settled(1)
    disk.broken.touch()
    await mosquitto.publish("siem/EXC/generic", alerts(*range(1, 21)))
    assert await asyncio.wait_for(daemon.process.wait(), 30) == 1
    assert "the disk failed while storing" in daemon.log.read_text()
    assert "Traceback" not in daemon.log.read_text()
    disk.broken.unlink()
    await daemon.start()
    await daemon.settled(21)
    assert told(itop) == 21


async def test_without_file_descriptors_alerts_are_taken_and_delivered_later(daemon, mosquitto, itop):
    await daemon.start()
    await asyncio.sleep(5.0)  # what it asked iTop at its start is over, and that connection closed
    most = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (6, most[1]))
    await mosquitto.publish("siem/EXC/generic", alerts(*range(20)))
    await daemon.alarm("itop_unreachable")
    assert daemon.count("SELECT count(*) FROM events") == 20
    assert itop.objects("Incident") == []
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, most)
    await daemon.settled(20)
    assert told(itop) == 20
    assert await daemon.stop() == 0


def newer(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as sql:
        migrate(sql, load_migrations())
        sql.execute("PRAGMA user_version = 99")


def foreign(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as sql:
        sql.execute("CREATE TABLE theirs (a)")


def bad_page(path):
    newer(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 3996 + whole[4096:])


@pytest.mark.parametrize("make", [newer, foreign, bad_page])
async def test_a_journal_that_cannot_be_used_is_exit_78_with_the_way_out_in_one_line(daemon, make):
    make(daemon.journal)
    before = daemon.journal.read_bytes()
    code, said = await run(daemon)
    assert code == 78
    (line,) = [line for line in said.splitlines() if "journal.db" in line]
    assert "Nothing was changed" in line
    assert f"mv {daemon.journal} {daemon.journal}.bad" in line
    assert daemon.journal.read_bytes() == before


async def test_a_page_that_turns_out_damaged_is_exit_78_with_the_way_out(daemon, mosquitto, itop):
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", alerts(0))
    await daemon.settled(1)
    assert await daemon.stop() == 0
    (page,) = daemon.rows("SELECT rootpage FROM sqlite_master WHERE name = 'cases'")[0]
    with daemon.journal.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    code, said = await run(daemon)
    assert code == 78
    assert f"mv {daemon.journal} {daemon.journal}.bad" in said


async def test_a_folder_where_nothing_can_be_written_is_told_and_ends_it(daemon, mosquitto):
    daemon.config.write_text(daemon.config.read_text().replace(str(daemon.journal), "/proc/journal.db"))
    code, said = await run(daemon)
    assert code == 1
    assert "the journal /proc/journal.db cannot be opened" in said
    assert "Traceback" not in said


async def test_too_few_file_descriptors_to_start_end_it_in_order(daemon, mosquitto):
    code, said = await run(daemon, "prlimit", "--nofile=9")
    assert code == 1
    assert "Traceback" not in said


async def run(daemon, *before):
    """Run the daemon to its own end; returns the exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(*before, sys.executable, "-m", "itop_bridge.cli.main", "run", "--config", str(daemon.config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=daemon.folder,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, said.decode()
