"""Wheel and sdist: complete, the same by whatever way they are made, and such as a package index takes."""

import email
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


def build(folder: Path, *options: str) -> None:
    offline = ("--no-isolation",) if importlib.util.find_spec("hatchling") else ()
    done = run(sys.executable, "-m", "build", *offline, *options, "--outdir", folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was made of it."""
    folder = tmp_path_factory.mktemp("dist")
    build(folder)
    return folder


@pytest.fixture(scope="module")
def sdist(dist: Path) -> Path:
    [path] = dist.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    [path] = dist.glob("*.whl")
    return path


def test_a_package_index_would_take_both(sdist: Path, wheel: Path) -> None:
    done = run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_the_sdist_makes_the_wheel_that_the_tree_makes(wheel: Path, tmp_path: Path) -> None:
    build(tmp_path, "--wheel")
    [other] = tmp_path.glob("*.whl")
    ours, theirs = zipfile.ZipFile(wheel), zipfile.ZipFile(other)
    assert sorted(ours.namelist()) == sorted(theirs.namelist())
    assert [name for name in ours.namelist() if ours.read(name) != theirs.read(name)] == []


def test_the_sdist_holds_everything_that_the_tree_does(sdist: Path) -> None:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("NOT TESTED: this tree is no git checkout, so what belongs to it is not known")
    tracked = {name for name in run("git", "ls-files").stdout.splitlines() if (ROOT / name).exists()}
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked - packed == {".ci/run"}


def test_the_wheel_tells_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [folder] = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    facts = email.message_from_bytes(archive.read(f"{folder}/METADATA"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert facts["License-Expression"] == "MIT"
    assert archive.read(f"{folder}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert facts.get_all("Classifier") == sorted(project["classifiers"])
    assert facts["Description-Content-Type"] == "text/markdown"


def test_the_versions_of_python_are_those_that_are_tried() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    head = "Programming Language :: Python :: 3."
    told = [each.rpartition(" ")[2] for each in settings["project"]["classifiers"] if each.startswith(head)]
    assert told == settings["tool"]["tox"]["env_list"]
