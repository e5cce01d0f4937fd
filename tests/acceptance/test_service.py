"""The unit: what keeps the service alive and what holds it in, directive by directive, and systemd's own verdict."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from itop_bridge.cli.main import EXIT_CONFIGURATION
from itop_bridge.daemon import STOP_TIMEOUT_S

UNIT = Path(__file__).parents[2] / "systemd" / "itop-bridge.service"
MOST_EXPOSED = 1.1

SUPERVISION = {
    "Type": ["notify"],
    "NotifyAccess": ["main"],
    "ExecReload": ["/bin/kill -HUP $MAINPID"],
    "WatchdogSec": ["30"],
    "Restart": ["on-failure"],
    "RestartSec": ["2"],
    "RestartPreventExitStatus": [str(EXIT_CONFIGURATION)],
    "TimeoutStopSec": ["45s"],
    "KillMode": ["mixed"],
    "OOMPolicy": ["stop"],
    "LimitCORE": ["0"],
    "StateDirectory": ["itop-bridge"],
    "StateDirectoryMode": ["0700"],
    "UMask": ["0077"],
}

CONFINEMENT = {
    "DynamicUser": ["yes"],
    "ProtectSystem": ["strict"],
    "ProtectHome": ["yes"],
    "PrivateTmp": ["yes"],
    "PrivateDevices": ["yes"],
    "PrivateUsers": ["yes"],
    "PrivateIPC": ["yes"],
    "PrivateMounts": ["yes"],
    "DevicePolicy": ["closed"],
    "NoNewPrivileges": ["yes"],
    "ProtectProc": ["invisible"],
    "ProcSubset": ["pid"],
    "ProtectClock": ["yes"],
    "ProtectHostname": ["yes"],
    "ProtectKernelTunables": ["yes"],
    "ProtectKernelModules": ["yes"],
    "ProtectKernelLogs": ["yes"],
    "ProtectControlGroups": ["yes"],
    "CapabilityBoundingSet": [""],
    "AmbientCapabilities": [""],
    "RestrictAddressFamilies": ["AF_INET AF_INET6 AF_UNIX"],
    "RestrictNamespaces": ["yes"],
    "RestrictRealtime": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "LockPersonality": ["yes"],
    "MemoryDenyWriteExecute": ["yes"],
    "RemoveIPC": ["yes"],
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "IPAddressDeny": ["any"],
}


def read_unit() -> dict[str, dict[str, list[str]]]:
    """Sections of directives with all their values: a directive may stand more than once, as configparser forbids."""
    unit: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    section = ""
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = match[1]
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            unit[section][name].append(value)
    return unit


@pytest.mark.parametrize(("name", "values"), [*SUPERVISION.items(), *CONFINEMENT.items()])
def test_the_service_says(name: str, values: list[str]) -> None:
    assert read_unit()["Service"][name] == values


def test_restarts_have_no_limit() -> None:
    # in [Service] systemd only warns of it, and five quick ends leave the service dead
    assert read_unit()["Unit"]["StartLimitIntervalSec"] == ["0"]


def test_memory_and_tasks_are_bounded() -> None:
    service = read_unit()["Service"]
    assert service["MemoryMax"] == ["1G"]
    assert service["TasksMax"] == ["64"]


def test_the_stop_is_given_longer_than_the_daemon_takes() -> None:
    assert int(SUPERVISION["TimeoutStopSec"][0].removesuffix("s")) > STOP_TIMEOUT_S


def test_the_secrets_of_the_sample_configuration_are_credentials() -> None:
    sample = (UNIT.parents[1] / "config" / "itop-bridge.yaml").read_text(encoding="utf-8")
    wanted = set(re.findall(r"^ +password: \{file: ([\w-]+)\}", sample, re.MULTILINE))
    loaded = {value.partition(":")[0] for value in read_unit()["Service"]["LoadCredential"]}
    assert wanted
    assert wanted == loaded


@pytest.fixture(scope="module")
def analyze() -> str:
    """The path of systemd-analyze."""
    found = shutil.which("systemd-analyze")
    if not found:
        pytest.skip("systemd-analyze is not installed: systemd's own verdict is not asked")
    return found


def test_systemd_finds_little_exposed(analyze: str) -> None:
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", UNIT], capture_output=True, text=True, check=False
    )
    match = re.search(r"Overall exposure level for itop-bridge\.service: ([\d.]+)", done.stdout)
    assert match, done.stdout + done.stderr
    assert float(match[1]) <= MOST_EXPOSED


def test_systemd_understands_every_line(analyze: str, tmp_path: Path) -> None:
    # with a program that is there: else systemd complains of that and tells nothing new
    text = UNIT.read_text(encoding="utf-8").replace("/opt/itop-bridge/bin/itop-bridge", "/bin/true")
    (tmp_path / UNIT.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", "--man=no", tmp_path / UNIT.name], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
