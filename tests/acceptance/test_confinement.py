"""The daemon under what its unit allows, and no more: an alert goes all the way, and a reload and a stop work.

The system-call filter is the unit's own, as systemd resolves it. Where the machine cannot do that, the tests are
skipped and say so.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio
from confinement import Confinement, NotPossibleError
from daemon_process import Daemon, until

PROBE = """\
import ctypes, json, mmap, os, pathlib, resource, socket, sys

def refused(attempt):
    try:
        attempt()
    except OSError as error:
        return os.strerror(error.errno)
    return "allowed"

def call(name, *values):
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*values) in (-1, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), name)

def both():
    mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)

def make_executable():
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    page = library.mmap(None, 4096, 3, 0x22, -1, 0)
    call("mprotect", ctypes.c_void_p(page), ctypes.c_size_t(4096), 5)

state, program = sys.argv[1:]
own = pathlib.Path(state, "own")
own.touch()
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "both": refused(both),
    "executable": refused(make_executable),
    "namespace": refused(lambda: call("unshare", 0x10000000)),
    "mount": refused(lambda: call("mount", b"none", b"/mnt", b"tmpfs", 0, None)),
    "reboot": refused(lambda: call("reboot", 0)),
    "trace": refused(lambda: call("ptrace", 0, 0, 0, 0)),
    "nice": refused(lambda: call("nice", 5)),
    "packet": refused(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    "setuid": refused(lambda: own.chmod(0o4700)),
    "etc": refused(lambda: pathlib.Path("/etc/itop-bridge-was-here").touch()),
    "program": refused(lambda: pathlib.Path(program, "was-here").touch()),
    "homes": [str(each) for each in pathlib.Path("/home").iterdir()],
    "tmp": sorted(each.name for each in pathlib.Path("/tmp").iterdir()),
    "mode": oct(own.stat().st_mode & 0o777),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "filtered": status["Seccomp"].strip(),
    "no_new_rights": status["NoNewPrivs"].strip(),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
}))
"""


@pytest.fixture
def confinement(tmp_path):
    try:
        return Confinement(tmp_path)
    except NotPossibleError as error:
        pytest.skip(f"NOT TESTED: the daemon under the unit's confinement: {error}")


class ConfinedDaemon(Daemon):
    """The daemon as the unit runs it: the configuration and the secret can be read, the state be written."""

    def __init__(self, confinement, folder, port, url):
        self.confinement = confinement
        super().__init__(folder, port, url)
        secrets = confinement.etc / "credentials"
        secrets.mkdir()
        secret = secrets / "itop-password"
        secret.write_text("admin\n")
        secret.chmod(0o400)
        text = self.config.read_text().replace("password: admin", "password: {file: itop-password}")
        self.config = confinement.etc / "itop-bridge.yaml"
        self.journal = confinement.state / "journal.db"
        self.config.write_text(text.replace(str(folder / "journal.db"), "journal.db"))

    def command(self, *words):
        return self.confinement.wrap(*super().command(*words))

    async def start(self, *args, **kwargs):
        folders = {
            "STATE_DIRECTORY": self.confinement.state,
            "CREDENTIALS_DIRECTORY": self.confinement.etc / "credentials",
        }
        await super().start(*args, **{name: str(path) for name, path in folders.items()}, **kwargs)

    def signal(self, number):
        os.kill(self.confinement.pid, number)


@pytest_asyncio.fixture
async def confined(confinement, tmp_path, mosquitto, itop):
    daemon = ConfinedDaemon(confinement, tmp_path, mosquitto.port, itop.url)
    yield daemon
    if daemon.process and daemon.process.returncode is None:
        daemon.process.kill()  # what it holds in dies with it
        await daemon.process.wait()


def alert(number):
    return json.dumps({"id": f"a{number}", "title": "Rule", "rule": f"r{number}", "severity": "high"})


def _find_way(folder, path):
    """The name in the folder by which the path goes on; None if it is not below it."""
    return path.relative_to(folder).parts[0] if path.is_relative_to(folder) else None


async def test_what_the_unit_forbids_is_refused(confinement):
    """Else the next tests would show nothing."""
    command = confinement.wrap(sys.executable, "-c", PROBE, str(confinement.state), sys.prefix)
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refused, read_only = "Operation not permitted", "Read-only file system"
    bound = [confinement.state, Path(__file__), Path(sys.prefix)]
    assert json.loads(done.stdout) == {
        **dict.fromkeys(("both", "executable", "namespace", "mount", "reboot", "trace", "nice", "setuid"), refused),
        "packet": refused,
        "etc": read_only,
        "program": read_only,
        "homes": [],
        "tmp": sorted({part for path in bound if (part := _find_way("/tmp", path))}),
        "mode": "0o600",
        "core": [0, 0],
        "filtered": "2",
        "no_new_rights": "1",
        "capabilities": 0,
    }


@pytest.mark.mosquitto
async def test_an_alert_goes_all_the_way_and_a_reload_and_a_stop_work(confined, mosquitto, itop):
    await confined.start()
    await mosquitto.publish("siem/EXC/generic", [alert(1)])
    await confined.settled(1)
    assert len(itop.objects("Incident")) == 1

    confined.signal(signal.SIGHUP)
    await until(
        lambda: any(each["event"] == "configuration.reloaded" for each in confined.events()),
        what="a reload",
        rig=confined,
    )
    await mosquitto.publish("siem/EXC/generic", [alert(2)])
    await confined.settled(2)
    assert len(itop.objects("Incident")) == 2

    confined.signal(signal.SIGTERM)
    assert await asyncio.wait_for(confined.process.wait(), 30) == 0
    assert confined.events()[-1]["event"] == "daemon.stopped"
    assert [each for each in confined.events() if each["level"] in ("error", "critical")] == []
    assert confined.journal.stat().st_mode & 0o777 == 0o600
