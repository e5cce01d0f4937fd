"""The daemon as a process, with a configuration for tests."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys

import pytest

CONFIGURATION = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: acceptance, max_payload: 1MiB, reconnect: {{least: 100ms, most: 1s}}}}
itop:
  address: "{url}"
  user: admin
  password: admin
  rate: 200/s
  timeout: 2s
  server_time_limit: 3s
journal: {{path: "{journal}"}}
console: {{listen: "off"}}
defaults:
  organization: "{{{{ topic.org }}}}"
  group_interval: 1s
  repeat_interval: 1s
  spacing: 0s
routes:
  - {{name: generic, topic: "siem/{{org}}/generic", format: generic, factory: incident-siem, group_by: [rule]}}
  - {{name: wazuh, topic: "siem/{{org}}/wazuh", format: wazuh, factory: incident-siem}}
  - {{name: suricata, topic: "siem/{{org}}/suricata", format: suricata, factory: incident-siem}}
  - {{name: alertmanager, topic: "siem/{{org}}/alertmanager", format: alertmanager, factory: incident-siem}}
"""


class Daemon:
    """`itop-bridge run`, started, stopped and killed at will."""

    def __init__(self, folder, port, url):
        self.folder = folder
        self.config = folder / "itop-bridge.yaml"
        self.journal = folder / "journal.db"
        self.config.write_text(CONFIGURATION.format(port=port, url=url, journal=self.journal))
        self.log = folder / "daemon.log"
        self.process = None

    def command(self, *words):
        """What is started."""
        return [sys.executable, "-m", "itop_bridge.cli.main", "run", "--config", str(self.config), *words]

    async def start(self, wait_for="broker.subscribed", *, words=(), **environment):
        """Returns once it has logged `wait_for`; at once without it. `words` are further options."""
        command = self.command(*words)
        before = len(self.events())
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command, stdout=log, stderr=log, cwd=self.folder, env={**os.environ, **environment}
            )
        if wait_for is None:
            return
        await until(lambda: any(e.get("event") == wait_for for e in self.events()[before:]), what=wait_for, rig=self)

    async def stop(self, number=signal.SIGTERM):
        """Returns the exit code."""
        if self.process and self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 30)

    def events(self):
        if not self.log.exists():
            return []
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    async def alarm(self, name):
        """Wait for an alarm."""
        await until(lambda: any(e.get("alarm") == name for e in self.events()), what=f"alarm {name}", rig=self)

    def rows(self, query):
        if not self.journal.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as sql:
            return [tuple(row) for row in sql.execute(query)]

    def count(self, query):
        return self.rows(query)[0][0]

    async def settled(self, events):
        """All of so many events are mapped, and nothing is pending or to be looked for."""
        await until(
            lambda: (
                self.rows("SELECT value FROM meta WHERE name = 'triaged'") == [(events,)]
                and not self.count("SELECT count(*) FROM cases WHERE due IS NOT NULL")
                and not self.count("SELECT count(*) FROM attempts WHERE look IS NOT NULL AND state <> 'absent'")
            ),
            what=f"{events} events settled",
            rig=self,
        )


async def until(condition, *, what, rig, seconds=40.0):
    """Wait for a condition of another process; fails with the daemon's log."""
    for _ in range(int(seconds / 0.05)):
        with contextlib.suppress(sqlite3.OperationalError):  # the journal is being made
            if condition():
                return
        await asyncio.sleep(0.05)
    pytest.fail(f"waited {seconds} s in vain for: {what}\n{rig.log.read_text(errors='replace')[-6000:]}")
