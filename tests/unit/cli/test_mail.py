"""The mail that tells of a failure, through a real SMTP server."""

import argparse
import email
import socket
import ssl
import subprocess
from email import policy

import pytest
from aiosmtpd.controller import Controller

from itop_bridge.cli.mail import MailError, notify, read_server, write_mail


class Inbox:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the name is aiosmtpd's
        self.mails.append((envelope, email.message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def serve_mail():
    controllers = []

    def serve(**options):
        inbox = Inbox()
        controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), **options)
        controller.start()
        controllers.append(controller)
        return inbox, f"127.0.0.1:{controller.port}"

    yield serve
    for controller in controllers:
        controller.stop()


def options(server, **changes):
    given = {
        "command": "incident-siem-create",
        "mail_server": server,
        "mail_recipients": ["soc@example.com", "ops@example.com"],
        "mail_from": None,
        "mail_starttls": False,
    }
    return argparse.Namespace(**{**given, **changes})


def test_the_mail_reaches_everyone_as_text_and_as_html(serve_mail):
    inbox, server = serve_mail()
    notify(options(server), ["OSError: refused", "no connection to <iTop> & co"])
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


def test_the_sender_may_be_set(serve_mail):
    inbox, server = serve_mail()
    notify(options(server, mail_from="cron@example.com"), ["x"])
    assert inbox.mails[0][0].mail_from == "cron@example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mail")
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*new, *subject, *files], cwd=folder, check=True, capture_output=True)
    return folder


def test_starttls_is_used_and_the_server_verified(serve_mail, certificate, monkeypatch):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    inbox, server = serve_mail(tls_context=context, require_starttls=True)
    with pytest.raises(MailError, match="the mail was not sent"):
        notify(options(server, mail_starttls=True), ["x"])  # signed by nobody
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    notify(options(server, mail_starttls=True), ["x"])
    assert len(inbox.mails) == 1


def test_a_server_without_starttls_gets_no_mail_when_it_is_asked_for(serve_mail):
    inbox, server = serve_mail()
    with pytest.raises(MailError, match="the mail was not sent"):
        notify(options(server, mail_starttls=True), ["x"])
    assert inbox.mails == []


def test_a_server_that_is_not_there_is_told():
    with pytest.raises(MailError, match=r"the mail was not sent by 127\.0\.0\.1"):
        notify(options(f"127.0.0.1:{free_port()}"), ["x"])


def test_no_header_is_made_by_an_error():
    mail = write_mail("person-get", ["a\nBcc: x@y"], sender="a@x", recipients=["b@y"], host="h")
    assert mail["Bcc"] is None
    assert "a\\nBcc: x@y" in mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("mail.example", ("mail.example", 25)),
        ("172.16.253.88", ("172.16.253.88", 25)),
        ("mail.example:587", ("mail.example", 587)),
        ("[::1]:587", ("::1", 587)),
        ("[::1]", ("::1", 25)),
        ("fe80::1", ("fe80::1", 25)),
    ],
)
def test_a_server_is_a_host_and_perhaps_a_port(text, server):
    assert read_server(text) == server


@pytest.mark.parametrize("text", ["mail:", "mail:x", "mail:0", "mail:70000"])
def test_what_is_no_server_is_told(text):
    with pytest.raises(MailError, match="is no host:port"):
        read_server(text)
