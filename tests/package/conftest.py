"""A small Debian as a folder, which packages are installed into and images are built from."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker_process import mosquitto  # noqa: F401 - a fixture

PACKAGES = "python3,python3-venv,ca-certificates"


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of a fresh Debian with Python; gone afterwards. Skips where none can be made."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: only root can make a Debian to install into")
    debootstrap = shutil.which("debootstrap", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if not debootstrap:
        pytest.skip("NOT TESTED: debootstrap is not installed (apt-get install debootstrap)")
    # of this machine's release, since packages are built for its Python
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")
    root = tmp_path_factory.mktemp("debian") / "root"
    command = [debootstrap, "--variant=minbase", f"--include={PACKAGES}", release, root]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        pytest.skip(f"NOT TESTED: debootstrap could make no Debian here:\n{done.stdout[-500:]}{done.stderr[-500:]}")
    yield root
    shutil.rmtree(root)
