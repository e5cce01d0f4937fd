import ast
import re
from pathlib import Path

import pytest

import itop_bridge
from itop_bridge.bundled import bundled_folder
from itop_bridge.log import EVENTS, KEYS


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_named_noun_and_participle_and_told_in_a_sentence(name):
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", name)
    assert EVENTS[name].endswith(".")


def test_the_catalogue_is_in_order_and_the_keys_are_distinct():
    assert list(EVENTS) == sorted(EVENTS)
    assert len(set(KEYS)) == len(KEYS)


def logged_names(source):
    """The event names, as far as they are literals, that a module logs."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            target = node.func.value.value if isinstance(node.func.value, ast.Subscript) else node.func.value
            logger = getattr(target, "id", getattr(target, "attr", ""))
            logs = logger in ("log", "_log") and node.func.attr in ("debug", "info", "warning", "error", "exception")
            if logs or (logger == "_faults" and node.func.attr == "tell"):
                choices = (
                    [node.args[0].body, node.args[0].orelse] if isinstance(node.args[0], ast.IfExp) else [node.args[0]]
                )
                yield from (choice.value for choice in choices if isinstance(choice, ast.Constant))


def test_every_event_that_the_code_logs_is_in_the_catalogue():
    package = Path(itop_bridge.__file__).parent
    modules = [*package.rglob("*.py"), *bundled_folder("factories").rglob("*.py")]
    names = {name: path.name for path in modules for name in logged_names(path.read_text(encoding="utf-8"))}
    assert {name: module for name, module in names.items() if name not in EVENTS} == {}
    assert {"alarm.raised", "broker.refused"} <= names.keys()
