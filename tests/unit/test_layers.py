"""The layers of the program: the contracts in .importlinter hold, and would tell if they did not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    return subprocess.run(
        [*command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layers")
    shutil.copy(ROOT / ".importlinter", folder)
    for package in ("itop_bridge", "factories"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    # without it `factories` is a namespace, also of the checkout's own, and which of the two is read is chance
    (folder / "factories" / "__init__.py").touch()
    return folder


def test_every_module_imports_only_what_it_may() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("itop_bridge/errors.py", "import itop_bridge.alert", "only what lies below it"),
        ("itop_bridge/intake/topic.py", "import itop_bridge.triage.route", "only what lies below it"),
        ("itop_bridge/daemon.py", "import itop_bridge.simulator.store", "only what lies below it"),
        ("itop_bridge/simulator/store.py", "import itop_bridge.settings.policy", "shares nothing"),
        ("factories/incident_siem.py", "import itop_bridge.journal.store", "A factory imports"),
        ("itop_bridge/delivery/plan.py", "import sqlite3", "through their doors"),
    ],
)
def test_an_import_that_may_not_be_is_told(copy: Path, module: str, line: str, contract: str) -> None:
    source = (copy / module).read_text(encoding="utf-8")
    (copy / module).write_text(f"{line}\n{source}", encoding="utf-8")
    try:
        done = lint_imports(copy)
    finally:
        (copy / module).write_text(source, encoding="utf-8")
    assert done.returncode == 1
    assert any(contract in each and "BROKEN" in each for each in done.stdout.splitlines()), done.stdout


def test_a_module_that_is_in_no_layer_is_told(copy: Path) -> None:
    stray = copy / "itop_bridge" / "helper.py"
    stray.touch()
    try:
        done = lint_imports(copy)
    finally:
        stray.unlink()
    assert done.returncode == 1
    assert "helper" in done.stdout
