"""What docs/library.md and docs/cli.md show is what happens: their boxes are run, and their output compared.

python tests/integration/test_documents.py     writes the real output into the documents
"""

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "fakes")]

from itop_server import serve_itop, write_legacy  # noqa: E402 - also run as a program

LIBRARY, CLI = ROOT / "docs" / "library.md", ROOT / "docs" / "cli.md"
PYTHON = re.compile(r"```python\n(.*?)```\n```text\n(.*?)```\n", re.DOTALL)
CONSOLE = re.compile(r"```console\n(.*?)```\n", re.DOTALL)
URL = re.compile(r"http://127\.0\.0\.1:\d+")


@contextlib.contextmanager
def workplace():
    """A folder with the files that the documents name, and a fresh iTop behind them."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name, serve_itop() as (_, url):
        folder = Path(name)
        write_legacy(folder, url, password="wrong").rename(folder / "wrong.json")
        write_legacy(folder, url)
        (folder / "case.html").write_text("<p>{{ comment }}</p>")
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


def run_python(source, names):
    """What a box prints; it may await at its top."""
    out = io.StringIO()
    code = compile(source, "box", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def main():
        result = eval(code, names)
        if inspect.iscoroutine(result):
            await result

    with contextlib.redirect_stdout(out):
        asyncio.run(main())
    return URL.sub("https://itop.example", "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n")


def redo_library(text):
    names = {}
    with workplace():
        try:
            return PYTHON.sub(lambda box: f"```python\n{box[1]}```\n```text\n{run_python(box[1], names)}```\n", text)
        finally:
            names["itop"].close()  # the last box makes a connection, and needs not close it


def run_console(box, folder):
    """The commands of a box with their real output, errors included; an exit status other than 0 is told."""
    lines = []
    for line in box.splitlines():
        if not line.startswith("$ "):
            continue
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        done = subprocess.run(
            ["bash", "-c", f"{line[2:]} 2>&1"],
            env={"PATH": path, "HOME": str(folder)},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        status = f"(exit status {done.returncode})\n" if done.returncode else ""
        output = URL.sub("https://itop.example", done.stdout) + status
        lines.append(f"{line}\n" + "".join(f"{each.rstrip()}\n" for each in output.splitlines()))
    return "".join(lines)


def redo_cli(text):
    with workplace() as folder:
        return CONSOLE.sub(lambda box: f"```console\n{run_console(box[1], folder)}```\n", text)


@pytest.mark.parametrize(("path", "redo"), [(LIBRARY, redo_library), (CLI, redo_cli)])
def test_the_boxes_show_what_happens(path, redo):
    text = path.read_text(encoding="utf-8")
    assert redo(text) == text


def test_the_configurations_shown_are_usable():
    from itop_bridge.settings.load import load_command_settings

    for path in (LIBRARY, CLI):
        for box in re.findall(r"```json\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            with tempfile.TemporaryDirectory() as name:
                Path(name, "itop-password").write_text("s3cret")
                Path(name, "itop.json").write_text(box)
                assert load_command_settings(Path(name, "itop.json")).itop.user == json.loads(box)["user"]


async def test_a_factory_of_ones_own_and_its_test_run_as_shown(tmp_path, capsys):
    text = (ROOT / "docs" / "factories.md").read_text(encoding="utf-8")
    [factory] = [each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def add_parser" in each]
    [test] = [each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def test_" in each]
    assert len(factory.splitlines()) <= 20
    (tmp_path / "teams.py").write_text(factory)
    names = {}
    exec(test, names)
    await names["test_teams_are_listed"](tmp_path, capsys)


if __name__ == "__main__":
    for document, again in ((LIBRARY, redo_library), (CLI, redo_cli)):
        document.write_text(again(document.read_text(encoding="utf-8")), encoding="utf-8")
