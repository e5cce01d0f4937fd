"""packaging/requirements.lock is what pyproject.toml asks for, complete and hashed, and names no index."""

import importlib.metadata
import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "packaging" / "requirements.lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def load_module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "packaging" / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lock = load_module("lock")
LOCKED = lock.load_lock(LOCK)


@pytest.mark.parametrize("line", PROJECT["project"]["dependencies"])
def test_every_dependency_is_locked_within_its_bounds(line):
    wanted = Requirement(line)
    locked = LOCKED[canonicalize_name(wanted.name)]
    assert wanted.specifier.contains(locked.version), "run: make lock"
    assert locked.marker == "", "it is needed everywhere"


@pytest.mark.parametrize("name", LOCKED)
def test_what_a_locked_version_needs_is_locked_too(name):
    """As the tests' environment knows it, where that has the same version."""
    try:
        installed = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return
    if installed.version != LOCKED[name].version:
        return
    for wanted in map(Requirement, installed.requires or ()):
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            assert wanted.specifier.contains(LOCKED[canonicalize_name(wanted.name)].version), wanted


def test_nothing_is_locked_that_nobody_needs():
    told = re.findall(r"^([a-z0-9-]+)==.*?\n((?:    --hash.*\n)+)((?:    #.*\n)+)", LOCK.read_text(), re.MULTILINE)
    reasons = {name: re.findall(r"#(?: {3}| via )([\w-]+)", reason) for name, _, reason in told}
    assert reasons.keys() == LOCKED.keys()
    assert all(set(names) <= LOCKED.keys() | {"itop-bridge"} for names in reasons.values()), reasons
    direct = {name for name, names in reasons.items() if "itop-bridge" in names}
    assert direct == {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]}


def test_every_version_has_its_hashes_and_there_is_no_index_and_no_host():
    """`parse_lock` refuses every line that is no version, hash or comment: an option, a URL."""
    assert len(LOCKED) > 20
    assert all(each.hashes for each in LOCKED.values())
    assert "://" not in LOCK.read_text()


@pytest.mark.parametrize(
    "line",
    [
        "--extra-index-url https://elsewhere.example/",
        "jinja2>=3 \\",
        "jinja2 @ https://elsewhere.example/jinja2.whl \\",
        "jinja2==3.1.6",
        "jinja2==3.1.6 \\\njinja2==3.1.6 \\",
        "    --hash=md5:00",
    ],
)
def test_a_lock_with_anything_else_is_refused(line):
    with pytest.raises(lock.LockError):
        lock.parse_lock(line)
