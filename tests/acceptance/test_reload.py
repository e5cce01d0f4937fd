"""A reload of a daemon that runs: what is changed is taken up as a whole, and what is bad changes nothing."""

import asyncio
import json
import os
import re
import signal
import sys
from collections import Counter

import pytest
from daemon_process import until

pytestmark = pytest.mark.mosquitto

FORMAT = """\
product: Mine
recognised_by: {}
fields: {id: key, title: text, rule: text}
severity: [{path: level, words: standard}]
states: false
group_by: [rule]
"""
FACTORY = """\
from dataclasses import dataclass

from itop_bridge.factory import CreateIncident, Texts, Writing

NAME = "incident-siem"


@dataclass(frozen=True)
class Settings:
    team: str = "SOC"


def handle(alert, case, settings):
    return [CreateIncident(case, alert, 2, 2)]


def describe_writing(settings):
    return Writing(Texts("ONE {{ alert.title }}", "d", "c", "a", "r", "s"))
"""
TOKEN = re.compile(r"\[sb:[0-9a-f]{16}\]")
COUNT = re.compile(r"(\d+) alerts?\b")


def alert(number, rule="r", **changes):
    return json.dumps({"id": f"a{number}", "title": f"Rule {rule}", "rule": rule, "severity": "high", **changes})


def change(path, old, new):
    """At once and as a whole, with the time of the file that was there."""
    before = path.stat()
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


async def reload(daemon):
    """The command's exit code, and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "itop_bridge.cli.main", "reload", "--config", str(daemon.config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=daemon.folder,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode()


def titles(itop):
    return [re.sub(r"^\[[^\]]*\] ", "", incident["title"]) for incident in itop.objects("Incident")]


async def incidents(daemon, itop, count):
    await until(lambda: len(itop.objects("Incident")) == count, what=f"{count} incidents", rig=daemon)


async def test_a_format_file_that_changed_is_taken_up_and_a_bad_one_is_not(daemon, mosquitto, itop):
    path = daemon.folder / "formats" / "mine.yaml"
    path.parent.mkdir()
    path.write_text(FORMAT)
    change(daemon.config, "routes:", "formats: [./formats]\nroutes:")
    change(daemon.config, "format: generic", "format: mine")
    await daemon.start()
    message = {"key": 1, "text": "before", "name": "after", "level": "high"}
    await mosquitto.publish("siem/EXC/generic", [json.dumps(message)])
    await incidents(daemon, itop, 1)

    change(path, "fields: {", "fields: [")
    code, told = await reload(daemon)
    assert (code, "mine.yaml:" in told) == (78, True), told
    await mosquitto.publish("siem/EXC/generic", [json.dumps({**message, "key": 2, "text": "still"})])
    await incidents(daemon, itop, 2)

    change(path, "fields: [", "fields: {")
    change(path, "title: text, rule: text", "title: name, rule: name")
    assert (await reload(daemon))[0] == 0
    await mosquitto.publish("siem/EXC/generic", [json.dumps({**message, "key": 3})])
    await incidents(daemon, itop, 3)
    assert titles(itop) == ["before", "still", "after"]


async def test_a_factory_file_that_changed_is_loaded_anew_and_a_bad_one_is_not(daemon, mosquitto, itop):
    path = daemon.folder / "factories" / "own.py"
    path.parent.mkdir()
    path.write_text(FACTORY)
    change(daemon.config, "routes:", "factories: [./factories]\nroutes:")
    await daemon.start()
    await mosquitto.publish("siem/EXC/generic", [alert(1, "a")])
    await incidents(daemon, itop, 1)

    change(path, "NAME = ", "NAME + ")
    code, told = await reload(daemon)
    assert (code, "own.py: the factory does not load: NameError" in told) == (78, True), told
    await mosquitto.publish("siem/EXC/generic", [alert(2, "b")])
    await incidents(daemon, itop, 2)

    change(path, "NAME + ", "NAME = ")
    change(path, "ONE", "TWO")
    assert (await reload(daemon))[0] == 0
    await mosquitto.publish("siem/EXC/generic", [alert(3, "c")])
    await incidents(daemon, itop, 3)
    assert [title.split()[0] for title in titles(itop)] == ["ONE", "ONE", "TWO"]


async def test_a_secret_that_changed_is_taken_up_and_a_missing_one_changes_nothing(daemon, mosquitto, itop):
    path = daemon.folder / "itop-password"
    path.write_text("admin\n")
    path.chmod(0o600)
    change(daemon.config, "password: admin", "password: {file: itop-password}")
    await daemon.start()

    path.rename(daemon.folder / "away")
    code, told = await reload(daemon)
    assert (code, "itop-password" in told) == (78, True), told
    await mosquitto.publish("siem/EXC/generic", [alert(1, "a")])
    await incidents(daemon, itop, 1)

    itop.accounts["admin"].password = "another"
    await mosquitto.publish("siem/EXC/generic", [alert(2, "b")])
    await daemon.alarm("itop_unreachable")
    path.write_text("another\n")
    path.chmod(0o600)
    daemon.process.send_signal(signal.SIGHUP)
    await incidents(daemon, itop, 2)
    assert "another" not in daemon.log.read_text()


async def test_reloads_in_the_middle_of_a_storm_lose_nothing(daemon, mosquitto, itop):
    itop.latency_s = 0.01
    await daemon.start()
    alerts = [alert(number, str(number % 10)) for number in range(1_500)]
    publishing = asyncio.create_task(mosquitto.publish("siem/EXC/generic", alerts))
    texts = [daemon.config.read_text()]
    texts.append(texts[0].replace("spacing: 0s", "spacing: 0s\n  log_budget: 150"))
    texts.append(texts[0].replace("routes:", "routes: ["))
    for turn in range(9):
        daemon.config.write_text(texts[turn % 3])
        before = len(daemon.events())
        daemon.process.send_signal(signal.SIGHUP)
        await until(
            lambda before=before: any(
                each["event"] in ("configuration.reloaded", "configuration.rejected")
                for each in daemon.events()[before:]
            ),
            what="a reload",
            rig=daemon,
        )
    await publishing
    await daemon.settled(len(alerts))
    assert Counter(each["event"] for each in daemon.events() if each["event"].startswith("configuration.re")) == {
        "configuration.reloaded": 6,
        "configuration.rejected": 3,
    }
    assert daemon.process.returncode is None
    logs = [entry["message"] for incident in itop.objects("Incident") for entry in incident["public_log"]]
    assert sum(int(COUNT.search(text)[1]) for text in logs) == len(alerts)
    assert set(Counter(token for text in logs for token in TOKEN.findall(text)).values()) == {1}
    assert len(itop.objects("Incident")) == 10
