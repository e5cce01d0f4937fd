"""The daemon as a process that is killed at any moment and started again."""

import asyncio
import contextlib
import json
import signal
import sqlite3
import sys
from collections import Counter

from record import read_progress

_CONFIGURATION = """\
mqtt: {{host: 127.0.0.1, port: {port}, client_id: victim, max_payload: 1MiB, reconnect: {{least: 100ms, most: 1s}}}}
itop:
  address: "{url}"
  user: admin
  password: admin
  rate: 200/s
  timeout: 1s
  server_time_limit: {limit_s}s
journal: {{path: "{journal}"}}
console: {{listen: "off"}}
defaults:
  organization: "{{{{ topic.org }}}}"
  group_interval: 1s
  repeat_interval: 2s
  spacing: 0s
  resolve_grace: 2s
  resolve_wait: 5s
routes:
  - {{name: generic, topic: "siem/{{org}}/generic", format: generic, factory: incident-siem, group_by: [rule]}}
  - {{name: wazuh, topic: "siem/{{org}}/wazuh", format: wazuh, factory: incident-siem, group_by: [rule],
      group_wait: 300ms, recurrence: new}}
  - {{name: alertmanager, topic: "siem/{{org}}/alertmanager", format: alertmanager, factory: incident-siem,
      spacing: 1s}}
"""
TIME_LIMIT_S = 2
"""What iTop carries out later than this is not promised to be recognised: no fault is as late as that."""
_READY_S = 60.0
_DOUBTS = {b"attempt.verified": "found in iTop", b"attempt.absent": "not there, planned anew"}


class EndedError(Exception):
    """The daemon ended, and nobody had killed it."""


class Victim:
    """`itop-bridge run` on a journal in `folder`."""

    def __init__(self, folder, port, url):
        self.journal = folder / "journal.db"
        self.log = folder / "daemon.log"
        self._folder = folder
        self._config = folder / "itop-bridge.yaml"
        self._config.write_text(_CONFIGURATION.format(port=port, url=url, journal=self.journal, limit_s=TIME_LIMIT_S))
        self._process = None
        self._read_to = 0
        self._is_ready = False

    @property
    def is_alive(self):
        return self._process is not None and self._process.returncode is None

    async def start(self):
        command = (sys.executable, "-m", "itop_bridge.cli.main", "run", "--config", self._config)
        with self.log.open("ab") as log:
            self._read_to, self._is_ready = log.tell(), False
            self._process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, cwd=self._folder)

    def is_ready(self):
        """Whether it is, or was, connected to the broker."""
        self._is_ready = self._is_ready or "broker.connected" in self._new_events()
        return self._is_ready

    async def become_ready(self):
        """Until it is connected to the broker. Raises EndedError."""
        async with asyncio.timeout(_READY_S):
            while not self.is_ready():
                self._check_life()
                await asyncio.sleep(0.02)

    async def kill(self):
        """SIGKILL. Raises EndedError if it was dead before."""
        self._check_life()
        self._process.kill()
        await self._process.wait()

    async def stop(self):
        """SIGTERM. Returns the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), 60)

    async def end(self):
        """Whatever state it is in."""
        if self.is_alive:
            await self.kill()

    def progress(self):
        """How far it is; None as long as there is no journal."""
        with contextlib.suppress(sqlite3.OperationalError):
            return read_progress(self.journal)
        return None

    def doubts(self):
        """What became of the writes whose outcome was not known, by the daemon's log."""
        with self.log.open("rb") as log:
            named = (line.split(b'"event": "', 1)[1].split(b'"', 1)[0] for line in log if b'"event": "attempt.' in line)
            return {_DOUBTS[event]: times for event, times in Counter(named).items() if event in _DOUBTS}

    def _check_life(self):
        if not self.is_alive:
            code = self._process.returncode
            last = self.log.read_text(errors="replace").splitlines()[-5:]
            raise EndedError("\n".join((f"the daemon ended by itself with exit code {code}:", *last)))

    def _new_events(self):
        """Names of the events that the log got since the last look; half a line waits."""
        with self.log.open("rb") as log:
            log.seek(self._read_to)
            lines = log.read().rpartition(b"\n")[0]
        self._read_to += len(lines)
        return {json.loads(line)["event"] for line in lines.splitlines() if line.startswith(b"{")}
