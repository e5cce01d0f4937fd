import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import itop_bridge
from itop_bridge.crash_point import CRASH_POINTS, VARIABLE

PACKAGE = Path(itop_bridge.__file__).parent


def run(script, value):
    return subprocess.run(
        [sys.executable, "-c", f"from itop_bridge.crash_point import *\n{script}"],
        env={**os.environ, VARIABLE: value},
        capture_output=True,
        text=True,
        check=False,
    )


def passed_points():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "pass_point":
                yield ast.literal_eval(node.args[0])


def test_every_point_is_passed_at_one_place_of_the_code():
    assert sorted(passed_points()) == sorted(CRASH_POINTS)


@pytest.mark.parametrize(("value", "passes"), [("intake.read", 1), ("intake.read:3", 3)])
def test_the_process_ends_at_the_pass_that_was_asked_for(value, passes):
    script = (
        "for n in range(9):\n    print(n, flush=True)\n    pass_point('triage.mapped')\n    pass_point('intake.read')"
    )
    ended = run(script, value)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == [str(n) for n in range(passes)]


def test_what_else_comes_after_the_point_is_done_before_the_end():
    ended = run("pass_point('intake.read', lambda: print('sent', flush=True))", "intake.read")
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "sent\n")


def test_a_point_that_was_not_asked_for_does_nothing():
    assert run("pass_point('intake.read', lambda: print('sent'))\nassert not is_armed('intake.read')", "").stdout == ""
    assert run("assert is_armed('intake.read')\nassert not is_armed('triage.mapped')", "intake.read:7").returncode == 0


def test_a_point_that_is_not_there_is_refused():
    ended = run("print('here')", "intake.raed")
    assert ended.returncode == 1
    assert "there is no crash point 'intake.raed'; there are intake.read, " in ended.stderr
