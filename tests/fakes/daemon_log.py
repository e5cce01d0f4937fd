"""The log of a daemon that runs as a process, line by line."""

import asyncio
import json

import pytest


async def wait_for_event(daemon: asyncio.subprocess.Process, event: str, *, seconds: float = 30) -> None:
    """Read what it logs on standard error up to an event. Fails if the daemon ends before, with what it said last."""
    last = b""
    async with asyncio.timeout(seconds):
        while line := await daemon.stderr.readline():
            last = line
            if line.startswith(b"{") and json.loads(line)["event"] == event:
                return
    pytest.fail(f"the daemon ended before {event}: {last.decode()}")
