"""Every Python that the project is for can read its source; `make matrix` runs the tests with each.

A Python that is not installed is a skip, which `make check` prints.
"""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = PROJECT["tool"]["tox"]["env_list"]
READ = """
import pathlib, sys
for name in sys.argv[1:]:
    for path in pathlib.Path(name).rglob("*.py"):
        compile(path.read_bytes(), str(path), "exec")
print("%d.%d" % sys.version_info[:2])
"""


def find_python(version):
    """One on the path that runs (a shim of pyenv's may not), or of pyenv's that is not the chosen one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for folder in [*map(Path, os.get_exec_path()), *pyenv.glob(f"versions/{version}.*/bin")]:
        python = folder / f"python{version}"
        if python.is_file() and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python
    return None


@pytest.mark.parametrize("version", PYTHONS)
def test_the_source_is_read_without_a_warning(version):
    python = find_python(version)
    if python is None:
        pytest.skip(f"Python {version} is not installed: NOT TESTED with it")
    words = ["-I", "-W", "error", "-c", READ, ROOT / "itop_bridge", ROOT / "factories"]
    done = subprocess.run([python, *words], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"{version}\n"), done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "itop_bridge" / "journal").rglob("*.py")), ids=lambda path: path.name)
def test_no_query_numbers_its_parameters(path):
    """`?1` counts as a name: with a tuple Python 3.12 warns, and 3.14 raises ProgrammingError."""
    assert re.findall(r"\?\d.*", path.read_text(encoding="utf-8")) == []


def test_the_matrix_begins_with_the_oldest_python_that_the_project_and_its_tools_name():
    assert PYTHONS[0] == "3.11"
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"
    assert PROJECT["tool"]["mypy"]["python_version"] == PYTHONS[0]
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{PYTHONS[0].replace('.', '')}"
    assert f"--python-version {PYTHONS[0]} " in (ROOT / "Makefile").read_text(encoding="utf-8"), "of the lock"


def test_a_python_is_named_to_users_only_if_it_is_in_the_matrix():
    named = [each.rpartition(" :: ")[2] for each in PROJECT["project"]["classifiers"] if ":: Python :: 3." in each]
    assert set(named) <= set(PYTHONS)
