"""The wheel: it carries what the program needs, and the program runs from it in any folder."""

import importlib.util
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from itop_bridge import __version__

ROOT = Path(__file__).parents[2]
SOURCES = ("factories", "config", "systemd")


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    # nothing of the tests' own environment: as an operator's shell would have it
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout; pip fetches hatchling where this environment has none."""
    folder = tmp_path_factory.mktemp("wheel")
    offline = ("--no-build-isolation", "--no-index") if importlib.util.find_spec("hatchling") else ()
    options = (*offline, "--no-deps", "--wheel-dir", folder)
    done = run(sys.executable, "-m", "pip", "wheel", *options, ROOT, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in a fresh environment, which borrows the dependencies of this one."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    done = run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel, cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).stdout.strip())
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return home / "bin" / "itop-bridge"


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A folder with the sample configuration of the checkout and the files that it names."""
    for secret in ("mqtt-password", "itop-password"):
        (tmp_path / secret).write_text("s3cret-of-a-test", encoding="utf-8")
        (tmp_path / secret).chmod(0o600)
    (tmp_path / "broker-ca.pem").write_text("", encoding="utf-8")
    return tmp_path


def test_the_wheel_carries_the_package_and_what_it_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "itop_bridge").rglob("*") if path.is_file()}
    for source in SOURCES:
        files = [path.relative_to(ROOT).as_posix() for path in (ROOT / source).rglob("*") if path.is_file()]
        assert files
        wanted |= {f"itop_bridge/_bundled/{name}" for name in files}
    wanted = {name for name in wanted if "__pycache__" not in name}
    assert wanted <= names
    assert {name.split("/")[0] for name in names} == {"itop_bridge", f"itop_bridge-{__version__}.dist-info"}


def test_the_program_runs_from_another_folder(installed: Path, tmp_path: Path) -> None:
    done = run(installed, "version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"itop-bridge {__version__}\n"), done.stderr


def test_the_bundled_sample_passes_the_check(installed: Path, etc: Path, tmp_path_factory) -> None:
    python = installed.with_name("python")
    show = "from itop_bridge.bundled import bundled_folder; print(bundled_folder('config'))"
    bundled = Path(run(python, "-c", show, cwd=etc).stdout.strip())
    assert bundled.parts[-3:] == ("itop_bridge", "_bundled", "config")
    sample = (bundled / "itop-bridge.yaml").read_text(encoding="utf-8")
    (etc / "itop-bridge.yaml").write_text(sample, encoding="utf-8")
    done = run(installed, "check", "--config", etc / "itop-bridge.yaml", cwd=tmp_path_factory.mktemp("elsewhere"))
    assert done.returncode == 0, done.stderr
    assert re.match(r"ok: \d+ routes", done.stdout)


def test_bundled_factories_and_formats_are_found(installed: Path, etc: Path) -> None:
    """The check of a configuration loads them: a wrong name shows that they were looked for where they are."""
    sample = (ROOT / "config" / "itop-bridge.yaml").read_text(encoding="utf-8")
    wrong = sample.replace("factory: incident-siem", "factory: incident-siam")
    (etc / "itop-bridge.yaml").write_text(wrong, encoding="utf-8")
    done = run(installed, "check", "--config", etc / "itop-bridge.yaml", cwd=etc)
    assert done.returncode == 78, done.stdout
    assert "did you mean incident-siem?" in done.stderr
