"""The units: what keeps the service alive and what holds it in, directive by directive, and systemd's own verdict."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from unit_file import TEMPLATE, UNIT, read_unit

from itop_bridge.cli.main import EXIT_CONFIGURATION
from itop_bridge.daemon import STOP_TIMEOUT_S

UNITS = [UNIT, TEMPLATE]
PROGRAM = "/opt/itop-bridge/bin/itop-bridge"
MOST_EXPOSED = 1.1

SUPERVISION = {
    "Type": ["notify"],
    "NotifyAccess": ["main"],
    "ExecReload": ["/bin/kill -HUP $MAINPID"],
    "WatchdogSec": ["30"],
    "Restart": ["on-failure"],
    "RestartSec": ["2"],
    "RestartPreventExitStatus": [str(EXIT_CONFIGURATION)],
    "TimeoutStartSec": ["15min"],
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


@pytest.mark.parametrize(("name", "values"), [*SUPERVISION.items(), *CONFINEMENT.items()])
def test_the_service_says(name: str, values: list[str]) -> None:
    assert read_unit(UNIT)["Service"][name] == values


def test_restarts_have_no_limit() -> None:
    # in [Service] systemd only warns of it, and five quick ends leave the service dead
    assert read_unit(UNIT)["Unit"]["StartLimitIntervalSec"] == ["0"]


def test_memory_and_tasks_are_bounded() -> None:
    service = read_unit(UNIT)["Service"]
    assert service["MemoryMax"] == ["1G"]
    assert service["TasksMax"] == ["64"]


def test_the_stop_is_given_longer_than_the_daemon_takes() -> None:
    assert int(SUPERVISION["TimeoutStopSec"][0].removesuffix("s")) > STOP_TIMEOUT_S


def test_the_secrets_of_the_sample_configuration_are_credentials() -> None:
    sample = (UNIT.parents[1] / "config" / "itop-bridge.yaml").read_text(encoding="utf-8")
    wanted = set(re.findall(r"^ +password: \{file: ([\w-]+)\}", sample, re.MULTILINE))
    loaded = {value.partition(":")[0] for value in read_unit(UNIT)["Service"]["LoadCredential"]}
    assert wanted
    assert wanted == loaded


INSTANCE = {
    "Description=SIEM alerts on MQTT to incidents in iTop (%i)": "Description=SIEM alerts on MQTT to incidents in iTop",
    f"ExecStart={PROGRAM} run --config /etc/itop-bridge/%i.yaml": (
        f"ExecStart={PROGRAM} run --config /etc/itop-bridge/itop-bridge.yaml"
    ),
    "StateDirectory=itop-bridge-%i": "StateDirectory=itop-bridge",
    "LogsDirectory=itop-bridge-%i": "LogsDirectory=itop-bridge",
    "LoadCredential=itop-password:/etc/itop-bridge/credentials/%i/itop-password": (
        "LoadCredential=itop-password:/etc/itop-bridge/credentials/itop-password"
    ),
    "LoadCredential=mqtt-password:/etc/itop-bridge/credentials/%i/mqtt-password": (
        "LoadCredential=mqtt-password:/etc/itop-bridge/credentials/mqtt-password"
    ),
}
"""What an instance has of its own, and what stands there in the plain unit."""
OWN_USER = "User=itop-bridge-%i"
"""The plain service's user is named after it; an instance's would be so too."""


def test_an_instance_is_the_plain_unit_but_for_its_name() -> None:
    template = directives(TEMPLATE)
    assert {OWN_USER, *INSTANCE} <= set(template)
    assert [INSTANCE.get(line, line) for line in template if line != OWN_USER] == directives(UNIT)


def test_no_folder_of_an_instance_is_within_the_plain_services() -> None:
    """systemd gives all that is in a service's folder to its user, also what belongs to another."""
    for name in ("StateDirectory", "LogsDirectory"):
        (own,), (plain,) = (read_unit(unit)["Service"][name] for unit in (TEMPLATE, UNIT))
        assert "%i" in own
        assert not Path(own).is_relative_to(plain)


def directives(unit: Path) -> list[str]:
    lines = unit.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def analyze() -> str:
    """The path of systemd-analyze."""
    found = shutil.which("systemd-analyze")
    if not found:
        pytest.skip("systemd-analyze is not installed: systemd's own verdict is not asked")
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_finds_little_exposed(analyze: str, unit: Path) -> None:
    command = [analyze, "security", "--offline=true", "--threshold=11", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.search(r"Overall exposure level for itop-bridge(?:@\w+)?\.service: ([\d.]+)", done.stdout)
    assert match, done.stdout + done.stderr
    assert float(match[1]) <= MOST_EXPOSED
    assert (done.returncode, done.stderr) == (0, "")  # not 0 if it is over the threshold, which counts tenths


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_understands_every_line(analyze: str, unit: Path, tmp_path: Path) -> None:
    assert verify(analyze, unit, tmp_path, lambda text: text) == (0, "")


def test_a_line_that_systemd_does_not_understand_would_be_told(analyze: str, tmp_path: Path) -> None:
    code, told = verify(analyze, UNIT, tmp_path, lambda text: text.replace("UMask=", "UMaks="))
    assert re.search(r"Unknown key (name )?'UMaks'", told)
    assert code == 0  # which is why the words are looked at


def verify(analyze: str, unit: Path, folder: Path, change: Callable[[str], str]) -> tuple[int, str]:
    """The exit code and all that systemd says of a unit whose program is there: else it complains of that."""
    (folder / unit.name).write_text(change(unit.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true")))
    command = [analyze, "verify", "--man=no", folder / unit.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr
