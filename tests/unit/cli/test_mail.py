"""The mail that tells of a failure, through a real SMTP server."""

import argparse
import datetime
import socket

import pytest
from postbox import certificate, free_port, serve_inbox, tls_context  # noqa: F401 - certificate is a fixture

from itop_bridge.cli.mail import notify, read_server, write_draft
from itop_bridge.mail.message import write_message
from itop_bridge.mail.server import MailError

NOW = datetime.datetime(2026, 11, 24, 10, 0, tzinfo=datetime.UTC)


def options(port, **changes):
    given = {
        "command": "incident-siem-create",
        "mail_server": f"127.0.0.1:{port}",
        "mail_recipients": ["soc@example.com", "ops@example.com"],
        "mail_from": None,
        "mail_starttls": False,
    }
    return argparse.Namespace(**{**given, **changes})


def test_the_mail_reaches_everyone_as_text_and_as_html():
    with serve_inbox() as (inbox, port):
        notify(options(port), ["OSError: refused", "no connection to <iTop> & co"])
    ((envelope, mail),) = inbox.mails
    assert envelope.rcpt_tos == ["soc@example.com", "ops@example.com"]
    assert envelope.mail_from == f"itop-bridge@{socket.getfqdn()}"
    assert mail["Subject"] == f"itop-bridge: incident-siem-create failed on {socket.getfqdn()}"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
    assert text.startswith("no connection to <iTop> & co\nOSError: refused\n")
    assert "Command: incident-siem-create" in text
    assert "<b>no connection to &lt;iTop&gt; &amp; co</b>" in html
    assert "<li>OSError: refused</li>" in html


def test_the_sender_may_be_set():
    with serve_inbox() as (inbox, port):
        notify(options(port, mail_from="cron@example.com"), ["x"])
    assert inbox.mails[0][0].mail_from == "cron@example.com"


def test_starttls_is_used_and_the_server_verified(certificate, monkeypatch):  # noqa: F811 - the fixture
    with serve_inbox(tls_context=tls_context(certificate), require_starttls=True) as (inbox, port):
        with pytest.raises(MailError, match="the mail was not sent"):
            notify(options(port, mail_starttls=True), ["x"])  # signed by nobody
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        notify(options(port, mail_starttls=True), ["x"])
    assert len(inbox.mails) == 1


def test_a_server_without_starttls_gets_no_mail_when_it_is_asked_for():
    with serve_inbox() as (inbox, port), pytest.raises(MailError, match="the mail was not sent"):
        notify(options(port, mail_starttls=True), ["x"])
    assert inbox.mails == []


def test_a_server_that_is_not_there_is_told():
    with pytest.raises(MailError, match=r"the mail was not sent: 127\.0\.0\.1"):
        notify(options(free_port()), ["x"])


def test_no_header_is_made_by_an_error():
    draft = write_draft("person-get", ["a\nBcc: x@y"], sender="a@x", recipients=["b@y"], host="h", now=NOW)
    mail = write_message(draft, NOW)
    assert mail["Bcc"] is None
    assert "a\\nBcc: x@y" in mail.get_body(("plain",)).get_content()


def test_without_a_port_it_is_that_of_a_relay():
    server = read_server("mail.example", starttls=True)
    assert (str(server), server.security) == ("mail.example:25", "starttls")
    assert read_server("[::1]:587", starttls=False).security == "none"


@pytest.mark.parametrize("text", ["mail:", "mail:x", "mail:0", "mail:70000"])
def test_what_is_no_server_is_told(text):
    with pytest.raises(MailError, match="is no host:port"):
        read_server(text, starttls=False)
