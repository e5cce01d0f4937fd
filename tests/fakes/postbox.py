"""A mail server on this machine that keeps what it is given, and misbehaves on demand; and a certificate for it."""

import asyncio
import contextlib
import email
import socket
import ssl
import subprocess
import threading
from email import policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Inbox:
    """aiosmtpd's handler: `mails` are the envelope and the message of each; `refuse` answers for a recipient."""

    def __init__(self):
        self.mails = []
        self.logins = []
        self.refused = {}
        self.hangs = False
        self.is_hanging = threading.Event()
        self.answer = "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - the name is aiosmtpd's
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the same
        if self.hangs:
            self.is_hanging.set()
            await asyncio.sleep(30)  # longer than any test waits: its connection is broken off
        if self.answer.startswith("250"):
            self.mails.append((envelope, email.message_from_bytes(envelope.content, policy=policy.default)))
        return self.answer

    def authenticate(self, _server, _session, _envelope, _mechanism, data):
        login = (data.login.decode(), data.password.decode())
        self.logins.append(login)
        return AuthResult(success=login == ("bridge", "s3cret"), handled=False)

    @property
    def subjects(self):
        return [mail["Subject"] for _, mail in self.mails]

    @property
    def texts(self):
        return [mail.get_body(("plain",)).get_content().replace("\r\n", "\n") for _, mail in self.mails]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serve_inbox(inbox=None, *, port=None, **options):
    """A server that runs in a thread of its own; gives the inbox and the port."""
    inbox = inbox or Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=port or free_port(), **options)
    controller.start()
    try:
        yield inbox, controller.port
    finally:
        controller.stop()


def tls_context(folder):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A folder with cert.pem and key.pem for 127.0.0.1, signed by nobody else."""
    folder = tmp_path_factory.mktemp("mail")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", "key.pem", "-out", "cert.pem"]
    command = ["openssl", "req", "-x509", *key, *subject, *files]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder
