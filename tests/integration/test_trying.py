"""What docs/trying.md shows is what happens: its boxes are run, and their output compared.

python tests/integration/test_trying.py     writes the real output into the document
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "fakes")]

from itop_server import serve_itop  # noqa: E402 - also run as a program

TRYING = ROOT / "docs" / "trying.md"
CONSOLE = re.compile(r"```console\n(.*?)```\n", re.DOTALL)
TEXT = re.compile(r"```text\n(\$ itop-bridge check --online.*?)```\n", re.DOTALL)
SHOWN = re.compile(r"`([a-z]+\.(?:yaml|json))`\n\n```(?:yaml|json)\n(.*?)```", re.DOTALL)
RECEIVED = re.compile(r"received 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def run(command, folder):
    """The output of a command, errors included; an exit status other than 0 is told."""
    done = subprocess.run(
        ["bash", "-c", f"({command}) 2>&1"],
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(folder), **path_of_the_checkout()},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    status = f"(exit status {done.returncode})\n" if done.returncode else ""
    output = RECEIVED.sub("received 2026-01-31 12:00:01 UTC", done.stdout) + status
    return output.replace(f"{folder}/", "").replace(str(folder), ".")


def path_of_the_checkout():
    return {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}


def run_box(box, folder):
    commands = [line[2:] for line in box.splitlines() if line.startswith("$ ")]
    return "".join(f"$ {command}\n" + run(command, folder) for command in commands)


def redo(text, folder):
    for name, content in SHOWN.findall(text):
        (folder / name).write_text(content)
    return CONSOLE.sub(lambda box: f"```console\n{run_box(box[1], folder)}```\n", text)


def test_the_boxes_show_what_happens(tmp_path):
    text = TRYING.read_text(encoding="utf-8")
    assert redo(text, tmp_path) == text


@pytest.mark.mosquitto
def test_what_is_said_to_be_told_online_is_told(tmp_path, mosquitto):
    text = TRYING.read_text(encoding="utf-8")
    [told] = TEXT.findall(text)
    [config] = [content for name, content in SHOWN.findall(text) if name == "bridge.yaml"]
    with serve_itop() as (simulator, url):
        (tmp_path / "itop-password").write_text("rest_agent")
        (tmp_path / "itop-password").chmod(0o600)
        config = config.replace("https://itop.example", url).replace("user: bridge", "user: rest_agent")
        config = config.replace("host: broker.example", f"host: localhost, port: {mosquitto.port}")
        (tmp_path / "bridge.yaml").write_text(config)
        output = run("itop-bridge check --online -c bridge.yaml", tmp_path)
        assert simulator.objects("Ticket") == []
    lines = [line for line in output.splitlines() if not line.startswith("warning: ")]  # of http
    lines = [line.replace(f"localhost:{mosquitto.port}", "broker.example:1883") for line in lines]
    assert sorted(lines) == sorted(told.splitlines()[1:])


@pytest.mark.mosquitto
async def test_a_visit_takes_no_message_from_the_daemons_session(tmp_path, mosquitto):
    from itop_bridge.intake.broker import Broker
    from itop_bridge.trial.visit import examine_broker
    from tests.fakes.intake import settings_for

    settings = settings_for(mosquitto.port)
    daemon = Broker(settings)
    first = await daemon.connect()
    await first.subscribe_filters(["siem/+/wazuh"])
    await daemon.disconnect()  # it is away, and its session waits at the broker
    await mosquitto.publish("siem/EXC/wazuh", [b"before"])
    found = await examine_broker(settings, {"siem/+/wazuh": ["routes[0].topic"]}, str)
    assert [str(each.verdict) for each in found] == ["ok", "ok"]
    await mosquitto.publish("siem/EXC/wazuh", [b"after"])
    again = await daemon.connect()
    assert again.session_present
    messages = []
    while len(messages) < 2:
        batch = await again.next_batch()
        messages += [message.payload for message in batch.messages]
        batch.acknowledge()
    await daemon.disconnect()
    assert messages == [b"before", b"after"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        TRYING.write_text(redo(TRYING.read_text(encoding="utf-8"), Path(name)), encoding="utf-8")
