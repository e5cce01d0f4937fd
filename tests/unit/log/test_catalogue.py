import ast
import re
from collections import Counter
from pathlib import Path

import pytest

import itop_bridge
from itop_bridge.bundled import bundled_folder
from itop_bridge.log import ALARMS, EVENTS, KEYS
from itop_bridge.log.catalogue import PARTS

LEVELS = ("debug", "info", "warning", "error", "critical", "exception")
PACKAGE = Path(itop_bridge.__file__).parent


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_named_noun_and_participle_and_told_in_sentences(name):
    event = EVENTS[name]
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", name)
    assert event.meaning.endswith(".")
    assert event.remedy == "" or event.remedy.endswith(".")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_it_means_what_to_do_and_what_ends_it(name):
    alarm = ALARMS[name]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
    assert alarm.meaning.endswith(".")
    assert alarm.remedy.endswith(".")
    assert alarm.ending
    assert not alarm.ending.endswith(".")


def test_what_is_an_error_says_what_to_do_and_what_is_none_does_not():
    assert [name for name, event in EVENTS.items() if event.level in ("error", "critical") and not event.remedy] == []
    assert [name for name, event in EVENTS.items() if event.level in ("debug", "info") and event.remedy] == []


@pytest.mark.parametrize("entry", [*EVENTS.values(), *ALARMS.values()])
def test_the_fields_of_an_entry_are_distinct_and_its_texts_fit_a_table(entry):
    fields = (*entry.always, *getattr(entry, "sometimes", ()))
    assert len(set(fields)) == len(fields)
    assert not {"timestamp", "level", "event"} & set(fields)
    texts = (entry.meaning, entry.remedy, getattr(entry, "ending", ""))
    assert not any("|" in text or "\n" in text or text.count("`") % 2 for text in texts)


def test_no_fact_of_an_alarm_has_the_name_of_what_every_alarm_has():
    own = {"alarm", "name", "since", "detail"}
    assert [name for name, alarm in ALARMS.items() if own & set(alarm.always)] == []


def test_the_catalogue_is_in_order_and_no_two_parts_have_the_same_event():
    assert list(EVENTS) == sorted(EVENTS)
    assert list(ALARMS) == sorted(ALARMS)
    assert len(EVENTS) == sum(len(part.EVENTS) for part in PARTS)
    assert len(set(KEYS)) == len(KEYS)


def test_every_module_of_entries_is_part_of_the_catalogue():
    modules = {path.stem for path in (PACKAGE / "log" / "event").glob("[a-z]*.py")}
    assert modules == {part.__name__.rpartition(".")[2] for part in PARTS} | {"alarm"}


# the code


def modules():
    return [*PACKAGE.rglob("*.py"), *bundled_folder("factories").rglob("*.py")]


def calls(methods, owners):
    """The calls of some methods of some objects, in all of the code."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
                target = node.func.value.value if isinstance(node.func.value, ast.Subscript) else node.func.value
                if getattr(target, "id", getattr(target, "attr", "")).lstrip("_") in owners and node.args:
                    yield node


def literals(argument):
    choices = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
    return [choice.value for choice in choices if isinstance(choice, ast.Constant)]


def logged():
    """The events of the code, as far as they are literals, with their levels and the keywords written out."""
    for call in [*calls(LEVELS, {"log"}), *calls({"tell"}, {"faults"})]:
        level = {"exception": "error", "tell": "warning"}.get(call.func.attr, call.func.attr)
        for name in literals(call.args[0]):
            yield name, level, {word.arg for word in call.keywords} - {None}


def test_every_event_that_the_code_logs_is_in_the_catalogue_with_its_level_and_fields():
    names = set()
    for name, level, fields in logged():
        event = EVENTS[name]
        assert level == event.level, name
        assert {"failure" if field == "exc_info" else field for field in fields} <= set(event.fields), name
        names.add(name)
    assert {"alarm.raised", "broker.refused"} <= names


def test_every_event_of_the_catalogue_is_named_by_the_code():
    mentions = Counter(
        node.value
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in EVENTS
    )
    assert [name for name in EVENTS if mentions[name] < 2] == []


def test_every_alarm_that_the_code_raises_or_ends_is_in_the_catalogue_with_its_fields():
    raised = set()
    for call in calls({"raise_", "clear"}, {"alarms"}):
        for name in literals(call.args[0]):
            assert name in ALARMS
            fields = {word.arg for word in call.keywords} - {None, "detail", "since"}
            if call.func.attr == "raise_":
                assert fields == set(ALARMS[name].always), name
                raised.add(name)
    assert len(raised) > 10
