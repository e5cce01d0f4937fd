"""The dashboards and rules in config/ name metrics, labels, events and fields that the code has."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from itop_bridge.log import ALARMS, EVENTS
from itop_bridge.metric.catalogue import METRICS, PREFIX

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "config" / "dashboards" / "itop-bridge.json"
LOGS = ROOT / "config" / "dashboards" / "itop-bridge-logs.json"
RULES = ROOT / "config" / "alerts.yaml"
RULES_TEST = ROOT / "tests" / "data" / "alerts_test.yaml"
PROMTOOL = shutil.which("promtool")
OF_PROMETHEUS = {"job", "instance", "le"}


def panels_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["panels"]


def targets_of(path):
    return [target for panel in panels_of(path) for target in panel["targets"]]


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def metrics_in(text):
    """The names, without prefix and a histogram's suffix."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(rf"\b{PREFIX}(\w+)", text)}


def labels_in(expression, legend=""):
    grouped = re.findall(r"\bby \(([^)]*)\)", expression)
    return {
        *(label.strip() for group in grouped for label in group.split(",")),
        *re.findall(r"\b(\w+)=~?\"", expression),
        *re.findall(r"{{\s*(?:\$labels\.)?(\w+)\s*}}", legend),
    }


def queries():
    yield from ((target["expr"], target["legendFormat"]) for target in targets_of(DASHBOARD))
    yield from ((rule["expr"], " ".join(rule["annotations"].values())) for rule in rules())


# metrics


def test_every_metric_that_is_named_is_exposed():
    text = "".join(path.read_text(encoding="utf-8") for path in (DASHBOARD, RULES, RULES_TEST))
    assert metrics_in(text) - METRICS.keys() == set()


def test_every_metric_has_a_panel():
    assert METRICS.keys() - metrics_in(DASHBOARD.read_text(encoding="utf-8")) == set()


def test_every_label_that_is_named_is_one_of_its_metric():
    for expression, legend in queries():
        known = {label for name in metrics_in(expression) for label in METRICS[name].labels}
        assert labels_in(expression, legend) - known - OF_PROMETHEUS == set(), expression


def test_a_histogram_is_read_by_its_buckets_and_nothing_else_is():
    for expression, _ in queries():
        for name in re.findall(rf"\b{PREFIX}(\w+)_bucket", expression):
            assert METRICS[name].kind == "histogram"
        plain = {name for name in METRICS if re.search(rf"\b{PREFIX}{name}\b", expression)}
        assert {METRICS[name].kind for name in plain} <= {"gauge", "counter"}
        for name in plain:
            counts = re.search(rf"(rate|increase)\({PREFIX}{name}\b", expression)
            assert bool(counts) is (METRICS[name].kind == "counter"), expression


def test_every_rule_has_a_severity_and_says_what_to_do():
    assert len(rules()) > 5
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")


def test_every_rule_is_tested_to_fire_and_to_be_silent():
    tests = yaml.safe_load(RULES_TEST.read_text(encoding="utf-8"))["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == names
    assert {check["alertname"] for check in checks if not check.get("exp_alerts")} == names


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: apt-get install prometheus)")
@pytest.mark.parametrize("words", [["check", "rules", RULES], ["test", "rules", RULES_TEST]])
def test_the_rules_do_what_their_tests_say(words):
    done = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


# the log


def patterns_in(expression, label):
    """What a query compares a label of the log with."""
    return [word for words in re.findall(rf'\b{label}=~?"([^"]+)"', expression) for word in words.split("|")]


def fields_of(expression):
    """What may stand in the lines that a query chooses, by the catalogue."""
    patterns = patterns_in(expression, "event") or [".*"]
    chosen = [name for name in EVENTS if any(re.fullmatch(pattern, name) for pattern in patterns)]
    return {"timestamp", "level", "event"}.union(*(EVENTS[name].fields for name in chosen))


def test_every_event_and_level_that_is_named_is_in_the_catalogue():
    named = {pattern for target in targets_of(LOGS) for pattern in patterns_in(target["expr"], "event")}
    assert len(named) > 15
    assert [pattern for pattern in named if not any(re.fullmatch(pattern, name) for name in EVENTS)] == []
    levels = {event.level for event in EVENTS.values()}
    assert {level for target in targets_of(LOGS) for level in patterns_in(target["expr"], "level")} <= levels


def test_the_warnings_and_errors_that_are_counted_are_of_every_such_level():
    counted = {level for target in targets_of(LOGS) for level in patterns_in(target["expr"], "level")}
    assert counted == {event.level for event in EVENTS.values()} - {"debug", "info"}


def test_every_field_that_is_named_is_one_of_the_events_that_the_query_chooses():
    for target in targets_of(LOGS):
        expression = target["expr"].replace('{unit="itop-bridge.service"}', "")
        fields = labels_in(expression, target["legendFormat"])
        fields |= {*re.findall(r"{{\.(\w+)}}", expression), *re.findall(r"unwrap (\w+)", expression)}
        assert fields - fields_of(expression) == set(), expression


def test_every_alarm_that_a_rule_names_is_in_the_catalogue():
    text = RULES.read_text(encoding="utf-8") + DASHBOARD.read_text(encoding="utf-8")
    named = {*re.findall(r"the alarm (\w+)", text), *re.findall(r'alarm=~?\\?"(\w+)', text)}
    assert named
    assert named - ALARMS.keys() == set()


# Grafana


@pytest.mark.parametrize(("path", "kind"), [(DASHBOARD, "prometheus"), (LOGS, "loki")])
def test_a_dashboard_asks_the_source_that_the_reader_chooses_and_its_panels_do_not_overlap(path, kind):
    board = json.loads(path.read_text(encoding="utf-8"))
    [source] = board["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", kind)
    cells = set()
    for panel in board["panels"]:
        assert panel["datasource"] == {"type": kind, "uid": "${source}"}
        at = panel["gridPos"]
        covered = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in covered) < 24
        assert not cells & covered
        cells |= covered
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
