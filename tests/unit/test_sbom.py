"""make sbom: a valid bill of the bridge, and of the locked versions with their hashes and licences."""

import importlib.metadata
import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from itop_bridge import __version__

ROOT = Path(__file__).parents[2]
NAMES = ("jinja2", "markupsafe", "pydantic-core")
HASHES = ["1" * 64, "2" * 64]


def write_lock(path, versions):
    lines = [f"    --hash=sha256:{each}" for each in HASHES]
    path.write_text("".join(f"{pin} \\\n{lines[0]} \\\n{lines[1]}\n" for pin in versions))


def make_environment(folder):
    """Has what installed packages tell of themselves, these and one more, but not their code."""
    venv.create(folder)
    site = next(folder.glob("lib/python*/site-packages"))
    for name in (*NAMES, "pytest"):
        facts = site / f"{name}-0.dist-info" / "METADATA"
        facts.parent.mkdir()
        facts.write_text(importlib.metadata.distribution(name).read_text("METADATA"), encoding="utf-8")
    return folder / "bin" / "python"


def run(lock, python, output):
    words = ["--lock", lock, "--python", python, "--output", output]
    return subprocess.run(
        [sys.executable, ROOT / "packaging" / "sbom.py", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sbom")
    write_lock(folder / "lock", [f"{name}=={importlib.metadata.version(name)}" for name in NAMES])
    python = make_environment(folder / "venv")
    for name in ("bom.json", "again.json"):
        done = run(folder / "lock", python, folder / name)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def bom(made):
    return json.loads((made / "bom.json").read_text())


def test_the_bill_is_what_the_schema_wants(made, bom):
    version = SchemaVersion.from_version(bom["specVersion"])
    error = JsonStrictValidator(version).validate_str((made / "bom.json").read_text())
    assert error is None, repr(error)


def test_its_root_is_the_bridge_with_its_version_and_licence(bom):
    root = bom["metadata"]["component"]
    assert (root["type"], root["name"], root["version"]) == ("application", "itop-bridge", __version__)
    assert root["licenses"][0]["license"]["id"] == "MIT"


def test_it_has_what_is_locked_and_nothing_else(bom):
    assert [each["name"] for each in bom["components"]] == ["Jinja2", "MarkupSafe", "pydantic_core"]
    for each in bom["components"]:
        assert each["version"] == importlib.metadata.version(each["name"])
        assert each["licenses"]
        [wheels] = [link for link in each["externalReferences"] if link["type"] == "distribution" and "hashes" in link]
        assert [known["content"] for known in wheels["hashes"]] == HASHES


def test_it_tells_who_needs_whom(bom):
    names = {each["bom-ref"]: each["name"] for each in bom["components"]}
    needs = {each["ref"]: [names[ref] for ref in each.get("dependsOn", [])] for each in bom["dependencies"]}
    root = bom["metadata"]["component"]["bom-ref"]
    assert needs.keys() == names.keys() | {root}
    assert needs[root] == ["Jinja2"], "pydantic_core is needed by pydantic, which is not locked here"
    assert needs[next(ref for ref, name in names.items() if name == "Jinja2")] == ["MarkupSafe"]


def test_the_same_lock_gives_the_same_bytes(made):
    assert (made / "bom.json").read_bytes() == (made / "again.json").read_bytes()


def test_it_names_nothing_of_the_machine_that_made_it(made):
    assert str(made.parent) not in (made / "bom.json").read_text()
    assert str(ROOT) not in (made / "bom.json").read_text()


def test_an_environment_that_is_not_as_locked_makes_no_bill(made, tmp_path):
    write_lock(tmp_path / "lock", ["jinja2==0.1"])
    done = run(tmp_path / "lock", made / "venv" / "bin" / "python", tmp_path / "bom.json")
    assert done.returncode == 1
    assert "not in the environment as it is locked: jinja2" in done.stderr
    assert not (tmp_path / "bom.json").exists()
