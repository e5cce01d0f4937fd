"""A real broker on a free port, with its persistence in the test's folder."""

import asyncio
import base64
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import aiomqtt
import pytest

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """A mosquitto that can be stopped, killed and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, *lines: str, persistence: bool = True) -> None:
        """Write the configuration: a loopback listener, and `lines`."""
        common = [
            f"listener {self.port} 127.0.0.1",
            "user root",  # else a broker started by root gives up its rights, and with them this folder
            "max_queued_messages 0",
            *([f"persistence true\npersistence_location {self.folder}/"] if persistence else []),
        ]
        if not any(line.startswith("allow_anonymous") for line in lines):
            common.append("allow_anonymous true")
        (self.folder / "mosquitto.conf").write_text("\n".join([*common, *lines]) + "\n")

    def start(self) -> None:
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", self.folder / "mosquitto.conf"], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "mosquitto.log").read_text())
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def add_user(self, name: str, password: str) -> str:
        """The configuration line of a password file with this user."""
        salt = os.urandom(12)
        derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
        encoded = "$".join(base64.b64encode(part).decode() for part in (salt, derived))
        path = self.folder / "passwords"
        path.write_text(f"{name}:$7$101${encoded}\n")
        path.chmod(0o600)
        return f"password_file {path}"

    async def publish(self, topic: str, payloads, *, retain: bool = False) -> None:
        """Publish each at QoS 1, in order; returns when the broker has acknowledged all."""
        async with aiomqtt.Client("127.0.0.1", self.port) as client:
            client.pending_calls_threshold = 100_000
            await asyncio.gather(*(client.publish(topic, payload, 1, retain) for payload in payloads))


@pytest.fixture
def mosquitto(tmp_path):
    """A running broker that lets everyone in. Call `stop`, `configure` and `start` for another one."""
    if MOSQUITTO is None:
        give_up = pytest.fail if os.environ.get("REQUIRE_MOSQUITTO") else pytest.skip
        give_up("NOT TESTED: the mosquitto broker is not installed (apt-get install mosquitto)")
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder)
    broker.configure()
    broker.start()
    yield broker
    broker.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with an authority (`ca.pem`), a broker for localhost, one for another name, and a client."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)

    def sign(name, subject_alternatives):
        (folder / f"{name}.ext").write_text(
            # Python 3.13 asks for the authority's key, and below for its usage
            f"subjectAltName={subject_alternatives}\nauthorityKeyIdentifier=keyid\n"
        )
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")  # fmt: skip

    for authority in ("ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{authority}.key",
                "-out", f"{authority}.pem", "-days", "2", "-subj", f"/CN={authority}",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    sign("broker", "IP:127.0.0.1,DNS:localhost")
    sign("elsewhere", "DNS:broker.example")
    sign("client", "DNS:client")
    openssl("rsa", "-aes256", "-passout", "pass:k3y", "-in", "client.key", "-out", "client-encrypted.key")
    return folder
