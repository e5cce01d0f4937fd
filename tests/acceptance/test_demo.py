"""The demo as a user runs it."""

import asyncio
import os
import signal
import sys

import pytest

pytest.importorskip("amqtt", reason="NOT TESTED: amqtt, the demo's broker, is not installed")


async def start(folder, *arguments):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "itop_bridge.cli.main", "demo", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
    )


async def read_until(process, text):
    async with asyncio.timeout(60):
        while text not in (line := (await process.stdout.readline()).decode()):
            assert line, (await process.stderr.read()).decode()


@pytest.mark.parametrize(("iclass", "prefix"), [("Incident", "I-0"), ("UserRequest", "R-0")])
async def test_a_storm_becomes_ten_incidents_and_every_alert_is_accounted_for(tmp_path, iclass, prefix):
    process = await start(tmp_path, "--alerts", "500", "--class", iclass)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    lines = out.decode().splitlines()
    assert (process.returncode, err) == (0, b""), out.decode()
    rows = [line.split() for line in lines if line.startswith(prefix)]
    assert len(rows) == 10
    assert [row[-2] for row in rows].count("100") == 5
    assert sum("resolved" in row for row in rows) == 1
    assert "In     509 alerts in 508 MQTT messages" in lines
    assert any(line.startswith("Verified: all 508 messages") for line in lines)
    assert "\x1b" not in out.decode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "when", "code", "last"),
    [([], "A storm", 130, "Interrupted"), (["--keep"], "mosquitto_pub", 0, "Stopping")],
)
async def test_ctrl_c_ends_it_in_order(tmp_path, arguments, when, code, last):
    process = await start(tmp_path, "--alerts", "5", *arguments)
    await read_until(process, when)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert (process.returncode, err) == (code, b"")
    assert last in out.decode()
    assert list(tmp_path.iterdir()) == []
