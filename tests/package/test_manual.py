"""The manual pages hold every command, option and key of the program, and their readers complain of nothing."""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from itop_bridge.cli.main import build_parser
from itop_bridge.settings.load import settings_schema

ROOT = Path(__file__).parents[2]
PAGES = ("itop-bridge.1", "itop-bridge.8", "itop-bridge.yaml.5")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, ROOT / "packaging" / "manual.py", folder], check=True, timeout=60)
    return folder


def read(path: Path) -> str:
    """The page without roff's escapes."""
    return re.sub(r"\\f[BIR]", "", path.read_text(encoding="utf-8").replace(r"\-", "-"))


def words_of(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, str]]:
    """(command, option or argument) of everything that the parser shows."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, command in action.choices.items():
                yield from words_of(command, f"{name} {verb}".strip())
        elif action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction):
            argument = action.metavar or (next(iter(action.choices)) if action.choices else action.dest)
            yield from ((name, word) for word in action.option_strings or [str(argument)])


def test_every_command_and_option_is_in_the_page(pages: Path) -> None:
    sections = re.split(r"^\.S[SH] ", read(pages / "itop-bridge.1"), flags=re.MULTILINE)
    texts = {text.split("\n")[0]: text for text in sections}
    words = list(words_of(build_parser()))
    assert len(words) > 100
    assert [(name, word) for name, word in words if word not in texts.get(name or "OPTIONS", "")] == []


def test_every_key_of_the_configuration_is_in_the_page(pages: Path) -> None:
    text = read(pages / "itop-bridge.yaml.5")
    schema = settings_schema()
    sections = {"Mqtt": "mqtt", "Itop": "itop", "Journal": "journal", "Log": "log", "Route": "routes"}
    keys = [f"{path}.{key}" for name, path in sections.items() for key in schema["$defs"][name]["properties"]]
    assert len(keys) > 50
    assert [key for key in keys if f"\n{key}" not in text] == []
    assert [key for key in schema["properties"] if f".SH {key.upper()}\n" not in text] == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("reader", [("mandoc", "-T", "lint", "-W", "warning"), ("man", "--warnings", "-l")], ids=str)
def test_its_readers_complain_of_nothing(pages: Path, name: str, reader: tuple[str, ...]) -> None:
    if not shutil.which(reader[0]):
        pytest.skip(f"NOT TESTED: {reader[0]} is not installed")
    done = subprocess.run([*reader, pages / name], capture_output=True, text=True, check=False, timeout=60)
    output = done.stdout if reader[0] == "mandoc" else ""
    assert (done.returncode, output + done.stderr) == (0, "")


def test_what_the_page_of_the_service_names_is_so(pages: Path) -> None:
    text = read(pages / "itop-bridge.8")
    unit = (ROOT / "systemd" / "itop-bridge.service").read_text(encoding="utf-8")
    for path in ("/etc/itop-bridge/itop-bridge.yaml", "/etc/itop-bridge/credentials/mqtt-password", "/opt/itop-bridge"):
        assert path in text
        assert path in unit
    commands = {name for name, _ in words_of(build_parser())}
    assert {each for each in re.findall(r"itop-bridge ([a-z]+) ?", text) if each in commands} >= {"check", "status"}


def test_a_python_without_the_program_is_told_in_a_line() -> None:
    command = [sys.executable, "-S", ROOT / "packaging" / "manual.py", "--help"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 1
    assert done.stderr.startswith("packaging/manual.py: No module named ")
    assert "Traceback" not in done.stderr
