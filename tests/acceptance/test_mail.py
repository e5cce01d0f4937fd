"""A daemon that runs tells people by mail: what it made, and what it could not use."""

import json

import pytest
from daemon_process import until
from postbox import serve_inbox

pytestmark = pytest.mark.mosquitto

MAIL = """\
mail:
  server: "127.0.0.1:{}"
  security: none
  sender: bridge@example.com
  recipients: [soc@example.com]
  digest: 0
"""
ALERT = {"id": "a1", "title": "Brute force\r\nBcc: x@y.zz", "rule": "r", "severity": "high"}


async def test_what_was_made_and_what_could_not_be_used_is_mailed_once(daemon, mosquitto, itop):
    with serve_inbox() as (inbox, port):
        daemon.config.write_text(MAIL.format(port) + daemon.config.read_text())
        await daemon.start()
        await mosquitto.publish("siem/EXC/generic", [json.dumps(ALERT)])
        await until(lambda: len(inbox.mails) == 1, what="a mail of the incident", rig=daemon)
        (incident,) = itop.objects("Incident")
        assert inbox.subjects == [f"[itop-bridge] {incident['ref']}: Brute force Bcc: x@y[.]zz"]
        assert f"{itop.url}/pages/UI.php?operation=details&class=Incident&id={incident['id']}" in inbox.texts[0]
        await daemon.stop()
        await daemon.start()
        await mosquitto.publish("siem/EXC/generic", ["no json"])
        await until(lambda: len(inbox.mails) == 2, what="a mail of the dead letter", rig=daemon)
        assert inbox.subjects[1] == "[itop-bridge] A dead letter: invalid_json"
        assert await daemon.stop() == 0
    assert [event["kind"] for event in daemon.events() if event["event"] == "mail.sent"] == ["created", "dead_letters"]
