"""packaging/deb.py: what of it is not seen in a package that was built (tests/package/test_deb.py)."""

import importlib.util
import itertools
import shutil
import subprocess
import sys
from email.message import Message
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[2] / "packaging"
SPEC = importlib.util.spec_from_file_location("deb", PACKAGING / "deb.py")
deb = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(deb)

IN_ORDER = ("0.9", "1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.1")


def test_versions_are_written_as_debian_orders_them():
    written = [deb.write_version(version) for version in IN_ORDER]
    assert written == ["0.9", "1.0~~dev1", "1.0~a1", "1.0~b2", "1.0~rc1", "1.0", "1.0.1"]
    if not shutil.which("dpkg"):
        pytest.skip("NOT TESTED: dpkg is not installed: the order is not asked for")
    for older, newer in itertools.pairwise(written):
        assert subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=False).returncode == 0


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"License-Expression": "MIT"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: BSD License", "License": "BSD"}, "BSD License"),
        ({"License": "Apache 2\nand its whole text"}, "Apache 2"),
        ({}, "see there"),
    ],
)
def test_a_licence_is_named_however_its_package_says_it(facts, told):
    metadata = Message()
    for name, value in facts.items():
        metadata[name] = value
    assert deb._name_licence(metadata) == told


def test_the_oldest_glibc_is_that_of_the_wheel_that_wants_the_newest(tmp_path):
    assert deb.find_libc(tmp_path) == "2.17"
    for name, tag in {"a": "manylinux_2_17_x86_64", "b": "manylinux_2_5_x86_64", "c": "manylinux_2_28_x86_64"}.items():
        (tmp_path / f"{name}-1.dist-info").mkdir()
        (tmp_path / f"{name}-1.dist-info" / "WHEEL").write_text(f"Tag: cp311-cp311-{tag}\n")
    assert deb.find_libc(tmp_path) == "2.28"


def test_a_machine_that_cannot_build_says_why():
    done = subprocess.run(
        [sys.executable, PACKAGING / "deb.py", "--python", "/bin/false"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(("/bin/false is older", "dpkg-deb is missing"))


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_what_dpkg_runs_is_a_script_that_stops_on_errors(script):
    text = (PACKAGING / "deb" / script).read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -e\n" in text
    assert subprocess.run(["sh", "-n", PACKAGING / "deb" / script], check=False).returncode == 0
