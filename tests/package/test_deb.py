"""The Debian package: built from the tree, installed into a fresh Debian, configured, run, upgraded, removed, purged.

Nothing here is systemd: `systemctl` and `deb-systemd-invoke` are stand-ins that write down what they are told.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_log import wait_for_event
from daemon_process import CONFIGURATION

from itop_bridge import __version__
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator

pytestmark = pytest.mark.package

ROOT = Path(__file__).parents[2]
COMMANDS = ("itop-bridge", "soc.apiclient.itop")
SAMPLE = "etc/itop-bridge/itop-bridge.yaml"
EPOCH = "1764000000"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}

# lists what the file /running holds; a unit that is stopped or started is taken from it or added
SYSTEMCTL = """\
#!/bin/sh
echo "$0 $*" >>/calls
case "$*" in *list-units*) sed 's/$/ loaded active running/' /running ;; esac
"""


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("dpkg-deb"):
        pytest.skip("NOT TESTED: dpkg-deb is not installed: Debian packages are built on Debian")
    return build_deb(tmp_path_factory.mktemp("deb"))


def build_deb(folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, ROOT / "packaging" / "deb.py", "--output", folder],
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=600,
    )
    return Path(done.stdout.strip())


def repack(deb: Path, folder: Path, version: str, sample: str) -> Path:
    """The package again as another version, whose sample of the configuration begins with another line."""
    subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
    control = folder / "DEBIAN" / "control"
    control.write_text(control.read_text().replace(f"Version: {__version__}-1", f"Version: {version}"))
    (folder / SAMPLE).write_text(sample + (folder / SAMPLE).read_text())
    subprocess.run(["dpkg-deb", "-Znone", "--build", folder, f"{folder}.deb"], check=True, capture_output=True)
    return Path(f"{folder}.deb")


class Machine:
    """A Debian that packages are installed into."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: object, code: int = 0, **environment: str) -> str:
        """What the command says, in the chroot; fails unless it ends with `code`."""
        done = subprocess.run(
            ["chroot", self.root, *map(str, command)],
            env={**ENVIRONMENT, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def install(self, deb: Path) -> str:
        shutil.copyfile(deb, self.root / "package.deb")
        return self.run("dpkg", "--force-confold", "--install", "/package.deb")

    def start_systemd(self, *running: str) -> None:
        """The stand-in, with these units running."""
        (self.root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
        for name in ("systemctl", "deb-systemd-invoke"):
            path = self.root / "usr/bin" / name
            path.unlink(missing_ok=True)
            path.write_text(SYSTEMCTL)
            path.chmod(0o755)
        (self.root / "running").write_text("".join(f"{unit}\n" for unit in running))
        (self.root / "calls").write_text("")

    def calls(self) -> list[str]:
        """What systemd was told since it was started, without what it was only asked."""
        lines = (self.root / "calls").read_text().splitlines()
        return [line.removeprefix("/usr/bin/") for line in lines if "list-units" not in line]


@pytest.fixture
def machine(debian: Path, tmp_path: Path) -> Iterator[Machine]:
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", "--reflink=auto", debian, root], check=True)
    yield Machine(root)
    shutil.rmtree(root)


@pytest.fixture
def installed(machine: Machine, deb: Path) -> Machine:
    machine.install(deb)
    return machine


def test_the_same_tree_makes_the_same_file(deb: Path, tmp_path: Path) -> None:
    assert build_deb(tmp_path).read_bytes() == deb.read_bytes()


def test_it_needs_the_python_that_it_was_built_with(deb: Path) -> None:
    done = subprocess.run(["dpkg-deb", "-f", deb, "Depends"], capture_output=True, text=True, check=True)
    python = Path("/usr/bin/python3").resolve().name
    assert done.stdout.split(", ")[0] == python
    listing = subprocess.run(["dpkg-deb", "-c", deb], capture_output=True, text=True, check=True).stdout
    assert f"./opt/itop-bridge/bin/{python} -> /usr/bin/{python}\n" in listing


def test_nothing_tells_of_where_it_was_built(deb: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "-x", deb, tmp_path / "x"], check=True)
    files = [path for path in (tmp_path / "x").rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 1000
    hints = (b"itop-bridge-deb-", str(ROOT).encode())
    assert [path for path in files if any(hint in path.read_bytes() for hint in hints)] == []


def test_lintian_has_nothing_to_say(deb: Path) -> None:
    if not shutil.which("lintian"):
        pytest.skip("NOT TESTED: lintian is not installed (apt-get install lintian)")
    done = subprocess.run(["lintian", "--allow-root", deb], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_installed_works_and_is_whole(installed: Machine) -> None:
    for command in COMMANDS:
        assert installed.run(command, "--version") == f"itop-bridge {__version__}\n"
    assert installed.run("dpkg", "--verify", "itop-bridge") == ""
    root = installed.root
    for unit in (ROOT / "systemd").iterdir():
        assert (root / "usr/lib/systemd/system" / unit.name).read_text() == unit.read_text()
    assert (root / SAMPLE).read_text() == (ROOT / "config/itop-bridge.yaml").read_text()
    modes = {"": 0o755, "itop-bridge.yaml": 0o644, "credentials": 0o700}
    assert {name: (root / "etc/itop-bridge" / name).stat().st_mode & 0o7777 for name in modes} == modes
    pages = ("man1/itop-bridge.1", "man1/soc.apiclient.itop.1", "man5/itop-bridge.yaml.5", "man8/itop-bridge.8")
    documents = ("copyright", "changelog.gz", "changelog.Debian.gz", "README.md", "docs/operations.md")
    wanted = [f"man/{page}.gz" for page in pages] + [f"doc/itop-bridge/{name}" for name in documents]
    assert [path for path in wanted if not (root / "usr/share" / path).exists()] == []


def test_the_shell_completes_the_commands(installed: Machine) -> None:
    script = (
        ". /usr/share/bash-completion/completions/itop-bridge; COMP_LINE='itop-bridge dead-l' COMP_POINT=18 COMP_TYPE=9"
        ' _python_argcomplete itop-bridge; echo "${COMPREPLY[@]}"'
    )
    assert installed.run("bash", "-c", script).strip() == "dead-letters"


def test_what_is_not_configured_is_not_started(machine: Machine, deb: Path) -> None:
    machine.start_systemd()
    told = machine.install(deb)
    assert "not started" in told
    assert machine.calls() == ["systemctl daemon-reload"]
    assert "broker-ca.pem" in machine.run("itop-bridge", "check", "-c", f"/{SAMPLE}", code=78)


def test_with_its_secrets_the_sample_passes_the_check(installed: Machine) -> None:
    etc = installed.root / "etc/itop-bridge"
    (etc / "broker-ca.pem").write_text("")
    for name in ("mqtt-password", "itop-password"):
        (etc / "credentials" / name).write_text("s3cret\n")
        (etc / "credentials" / name).chmod(0o600)
    told = installed.run(
        "itop-bridge", "check", "-c", f"/{SAMPLE}", CREDENTIALS_DIRECTORY="/etc/itop-bridge/credentials"
    )
    assert told.startswith("ok: ")


@pytest.mark.mosquitto
async def test_the_installed_daemon_brings_an_alert_to_itop(installed: Machine, mosquitto) -> None:
    simulator = Simulator()
    async with serve(simulator) as url:
        text = CONFIGURATION.format(port=mosquitto.port, url=url, journal="/var/lib/journal.db")
        (installed.root / SAMPLE).write_text(text)
        daemon = await asyncio.create_subprocess_exec(
            "chroot", installed.root, "/opt/itop-bridge/bin/itop-bridge", "run", "--config", f"/{SAMPLE}",
            env=ENVIRONMENT, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            await wait_for_event(daemon, "broker.connected")
            await mosquitto.publish("siem/EXC/generic", [json.dumps({"id": "1", "title": "Disk full", "rule": "r"})])
            await wait_for_event(daemon, "incident.created")
            daemon.terminate()
            await wait_for_event(daemon, "daemon.stopped")
            assert await daemon.wait() == 0
        finally:
            if daemon.returncode is None:
                daemon.kill()
                await daemon.wait()
    assert len(simulator.objects("Incident")) == 1


def test_an_upgrade_keeps_the_configuration_and_what_ran_runs_on(machine: Machine, deb: Path, tmp_path: Path) -> None:
    machine.install(repack(deb, tmp_path / "older", "0.0.9-1", "# an older sample\n"))
    (machine.root / SAMPLE).write_text("mine: 1\n")
    machine.start_systemd("itop-bridge.service", "itop-bridge@second.service")
    machine.install(deb)
    assert (machine.root / SAMPLE).read_text() == "mine: 1\n"
    assert not (machine.root / f"{SAMPLE}.dpkg-new").exists()
    assert machine.calls() == [
        "deb-systemd-invoke stop itop-bridge.service itop-bridge@second.service",
        "systemctl daemon-reload",
        "deb-systemd-invoke start itop-bridge.service itop-bridge@second.service",
    ]
    assert not (machine.root / "run/itop-bridge.stopped").exists()


def test_an_upgrade_starts_nothing_that_did_not_run(machine: Machine, deb: Path, tmp_path: Path) -> None:
    machine.install(repack(deb, tmp_path / "older", "0.0.9-1", ""))
    machine.start_systemd()
    machine.install(deb)
    assert machine.calls() == ["systemctl daemon-reload"]


def test_an_older_package_can_be_installed_over_it(installed: Machine, deb: Path, tmp_path: Path) -> None:
    (installed.root / SAMPLE).write_text("mine: 1\n")
    told = installed.install(repack(deb, tmp_path / "older", "0.0.9-1", ""))
    assert "downgrading" in told
    assert (installed.root / SAMPLE).read_text() == "mine: 1\n"


def keep_journal(machine: Machine) -> Path:
    """A journal, and secrets, as the service leaves them behind."""
    journal = machine.root / "var/lib/private/itop-bridge/journal.db"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"alerts")
    (machine.root / "var/lib/itop-bridge").symlink_to("private/itop-bridge")
    (machine.root / "etc/itop-bridge/credentials/itop-password").write_text("s3cret")
    return journal


def test_a_removal_stops_what_runs_and_keeps_configuration_and_journal(installed: Machine) -> None:
    journal = keep_journal(installed)
    installed.start_systemd("itop-bridge.service")
    installed.run("dpkg", "--remove", "itop-bridge")
    assert installed.calls() == ["deb-systemd-invoke stop itop-bridge.service", "systemctl daemon-reload"]
    root = installed.root
    assert not (root / "opt/itop-bridge").exists()
    assert [name for name in COMMANDS if (root / "usr/bin" / name).is_symlink()] == []
    assert (root / SAMPLE).exists()
    assert (root / "etc/itop-bridge/credentials/itop-password").exists()
    assert journal.read_bytes() == b"alerts"


def test_a_purge_takes_configuration_and_secrets_and_tells_of_the_journal(installed: Machine) -> None:
    journal = keep_journal(installed)
    wants = installed.root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "itop-bridge.service").symlink_to("/usr/lib/systemd/system/itop-bridge.service")
    told = installed.run("dpkg", "--purge", "itop-bridge")
    assert not (installed.root / "etc/itop-bridge").exists()
    assert not (wants / "itop-bridge.service").is_symlink()
    assert journal.read_bytes() == b"alerts"
    assert "rm -r /var/lib/private/itop-bridge\n" in told


def test_a_purge_leaves_what_the_operator_put_there(installed: Machine) -> None:
    (installed.root / "etc/itop-bridge/broker-ca.pem").write_text("ours")
    installed.run("dpkg", "--purge", "itop-bridge")
    assert [path.name for path in (installed.root / "etc/itop-bridge").iterdir()] == ["broker-ca.pem"]
