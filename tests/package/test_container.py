"""The container's image: built on a base from no registry, and run as its own user on a root that is read-only.

buildah builds it without rights of its own (chroot isolation); bubblewrap runs what is in it as a container engine
would: with the user, environment, entry point and health check that the image names.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from daemon_log import wait_for_event
from daemon_process import CONFIGURATION

from itop_bridge import __version__
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator

pytestmark = pytest.mark.package

ROOT = Path(__file__).parents[2]
NAME = "localhost/itop-bridge"
USER = 10001


class Image:
    """What was built, mounted."""

    def __init__(self, root: Path, settings: dict) -> None:
        self.root = root
        self.settings = settings

    def command(self, state: Path, etc: Path, words: list[str], **environment: str) -> list[str]:
        """Runs `words` in it: the root read-only, the state writable, /tmp and /run in memory, no rights at all."""
        told = dict(each.split("=", 1) for each in self.settings["Env"])
        variables = [part for pair in {**told, **environment}.items() for part in ("--setenv", *pair)]
        user, _, group = self.settings["User"].partition(":")
        places = {"/": ("--ro-bind", self.root), "/var/lib/itop-bridge": ("--bind", state)}
        places["/etc/itop-bridge"] = ("--ro-bind", etc)
        mounts = [str(part) for place, source in places.items() for part in (*source, place)]
        return [
            "bwrap", *mounts, "--perms", "1777", "--tmpfs", "/tmp", "--tmpfs", "/run", "--proc", "/proc",
            "--dev", "/dev", "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--clearenv", *variables,
            "--chdir", self.settings["WorkingDir"], "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups",
            "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", *words,
        ]  # fmt: skip


@pytest.fixture(scope="module")
def image(debian: Path, tmp_path_factory: pytest.TempPathFactory):
    for program in ("buildah", "bwrap", "make"):
        if not shutil.which(program):
            pytest.skip(f"NOT TESTED: {program} is not installed (apt-get install buildah bubblewrap make)")
    folder = tmp_path_factory.mktemp("images")
    buildah = f"buildah --root {folder}/root --runroot {folder}/run --storage-driver vfs"

    def run(words: str) -> str:
        done = subprocess.run(
            f"{buildah} {words}", shell=True, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    base = run("from scratch")
    run(f"copy -q {base} {debian} /")
    run(f"commit -q {base} localhost/base")
    # pip has to trust what this machine trusts
    builder = f"{buildah} build --isolation chroot --volume /etc/ssl/certs:/etc/ssl/certs:ro"
    make = ["make", "container", "BASE=localhost/base", f"IMAGE={NAME}", f"BUILDER={builder}"]
    # a make of its own: nothing of one that started the tests
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "ARGS"))}
    done = subprocess.run(make, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    settings = json.loads(run(f"inspect --type image {NAME}"))["Docker"]["config"]
    container = run(f"from {NAME}")
    yield Image(Path(run(f"mount {container}")), settings)
    run(f"umount {container}")
    run("rm --all")
    run("rmi --all --force")
    shutil.rmtree(folder)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    os.chown(folder, USER, USER)
    return folder


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir()
    return folder


def run_in(image: Image, state: Path, etc: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = image.command(state, etc, list(words), **environment)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_image_says_how_it_is_run(image: Image) -> None:
    said = image.settings
    assert said["User"] == f"{USER}:{USER}"
    assert said["Entrypoint"] == ["/opt/itop-bridge/bin/itop-bridge"]
    assert said["Cmd"][0] == "run"
    assert said["StopSignal"] == "SIGTERM"
    assert list(said["Volumes"]) == ["/var/lib/itop-bridge"]
    assert said["Healthcheck"]["Test"][0] == "CMD"
    assert said["Labels"]["org.opencontainers.image.version"] == __version__


def test_nothing_of_the_working_copy_but_the_program_is_in_it(image: Image) -> None:
    assert not (image.root / "src").exists()
    ours = sorted(path.name for path in (image.root / "opt/itop-bridge").iterdir())
    assert ours == ["bin", "include", "lib", "lib64", "pyvenv.cfg"]
    [packages] = (image.root / "opt/itop-bridge/lib").glob("python*/site-packages")
    assert not (packages / "pip").exists()
    assert not (packages / "pytest").exists()
    lines = (ROOT / "packaging/requirements.lock").read_text().splitlines()
    locked = {line.split()[0].partition(";")[0] for line in lines if "==" in line and line[0].isalpha()}
    names = [path.name.removesuffix(".dist-info") for path in packages.glob("*.dist-info")]
    found = {name.replace("-", "==").replace("_", "-").lower() for name in names}
    assert found - {f"itop-bridge=={__version__}"} <= locked


def test_its_user_can_write_its_state_and_nothing_else(image: Image, state: Path, etc: Path) -> None:
    script = (
        "import os, tempfile; print(os.getuid(), os.getgid(), os.getgroups())\n"
        "for path in ('/x', '/opt/itop-bridge/x', '/etc/itop-bridge/x', '/var/lib/itop-bridge/x', '/tmp/x'):\n"
        "    try: open(path, 'w'); print(path)\n"
        "    except OSError as error: print(path, error.strerror)\n"
    )
    told = run_in(image, state, etc, "/opt/itop-bridge/bin/python", "-c", script).stdout.splitlines()
    read_only = "Read-only file system"
    assert told == [
        f"{USER} {USER} []",
        f"/x {read_only}",
        f"/opt/itop-bridge/x {read_only}",
        f"/etc/itop-bridge/x {read_only}",
        "/var/lib/itop-bridge/x",
        "/tmp/x",
    ]


def test_without_a_configuration_it_says_what_is_missing(image: Image, state: Path) -> None:
    sample = image.root / "etc/itop-bridge"
    assert (sample / "itop-bridge.yaml").read_text() == (ROOT / "config/itop-bridge.yaml").read_text()
    done = run_in(image, state, sample, *image.settings["Entrypoint"], *image.settings["Cmd"])
    assert done.returncode == 78
    assert "itop-password" in done.stderr


@pytest.mark.mosquitto
async def test_the_daemon_in_it_brings_an_alert_to_itop_and_tells_its_health(
    image: Image, state: Path, etc: Path, mosquitto
) -> None:
    simulator = Simulator()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    health = {"HEALTH_URL": f"http://127.0.0.1:{port}/healthz"}
    check = image.settings["Healthcheck"]["Test"][1:]
    async with serve(simulator) as url:
        text = CONFIGURATION.format(port=mosquitto.port, url=url, journal="journal.db")
        (etc / "itop-bridge.yaml").write_text(text.replace('listen: "off"', f'listen: "127.0.0.1:{port}"'))
        words = [*image.settings["Entrypoint"], *image.settings["Cmd"]]
        daemon = await asyncio.create_subprocess_exec(*image.command(state, etc, words), stderr=subprocess.PIPE)
        try:
            await wait_for_event(daemon, "broker.connected")
            assert run_in(image, state, etc, *check, **health).returncode == 0
            await mosquitto.publish("siem/EXC/generic", [json.dumps({"id": "1", "title": "Disk full", "rule": "r"})])
            await wait_for_event(daemon, "incident.created")
            stop(daemon, image.settings["StopSignal"])
            await wait_for_event(daemon, "daemon.stopped")
            assert await asyncio.wait_for(daemon.wait(), 30) == 0
            assert run_in(image, state, etc, *check, **health).returncode == 1
        finally:
            if daemon.returncode is None:
                daemon.kill()
                await daemon.wait()
    assert len(simulator.objects("Incident")) == 1
    assert (state / "journal.db").stat().st_uid == USER


def stop(daemon: asyncio.subprocess.Process, name: str) -> None:
    """The signal that the image names, for the program itself: the first process that bubblewrap started."""
    child = daemon.pid
    while children := Path(f"/proc/{child}/task/{child}/children").read_text().split():
        child = int(children[0])
    os.kill(child, signal.Signals[name])
