"""What the documents say of the program is what the program says of itself.

Where a table is wanted, the failing test prints it.
"""

import ast
import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from itop_bridge.crash_point import CRASH_POINTS
from itop_bridge.delivery.fold import Backlog
from itop_bridge.delivery.text import describe_scene
from itop_bridge.expression import compile_condition, compile_text
from itop_bridge.expression.filter import FILTERS, TESTS, TEXT_METHODS
from itop_bridge.itop.error import ITopError
from itop_bridge.itop.measured import name_outcome
from itop_bridge.journal.case import CaseState
from itop_bridge.log import KEYS
from itop_bridge.log.line import LAYOUTS
from itop_bridge.log.table import tabulate_alarms, tabulate_news, tabulate_troubles
from itop_bridge.metric.catalogue import tabulate_metrics
from itop_bridge.settings.load import load_settings, settings_schema
from itop_bridge.triage import format as format_file
from itop_bridge.triage.example import FACTS, find_differences
from itop_bridge.triage.format import load_formats
from itop_bridge.triage.load import find_problems
from itop_bridge.triage.mapping import Fields
from itop_bridge.triage.place import TESTS as TESTS_OF_VALUES
from itop_bridge.triage.registry import load_registry
from itop_bridge.triage.source import KINDS
from itop_bridge.triage.summary import tabulate_formats
from itop_bridge.triage.syntax import SYNTAXES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def assert_holds(document: str, table: list[str]) -> None:
    text = "\n".join(table)
    assert text in read(document), f"docs/{document} must hold:\n\n{text}\n"


def code(text: object) -> str:
    return f"`{text}`"


# the configuration


def describe_default(schema: dict, *, required: bool) -> str:
    if required:
        return "required"
    default = schema.get("default")
    if default in (None, "", {}, []) or "$ref" in schema:
        return ""
    return code(str(default).lower() if isinstance(default, bool) else default)


def table_of(section: dict) -> list[str]:
    rows = [
        f"| {code(key)} | {describe_default(schema, required=key in section.get('required', ()))} |"
        f" {' '.join(schema.get('description', '').split())} |"
        for key, schema in section["properties"].items()
    ]
    return ["| key | default | |", "| --- | --- | --- |", *rows]


@pytest.mark.parametrize(
    "section", ["Mqtt", "Tls", "Reconnect", "Itop", "Journal", "Log", "Commands", "Defaults", "Silence", "Inhibition"]
)
def test_every_key_of_a_section_is_told(section: str) -> None:
    assert_holds("configuration.md", table_of(settings_schema()["$defs"][section]))


def test_every_key_of_a_route_is_told() -> None:
    sections = settings_schema()["$defs"]
    route, defaults = sections["Route"], sections["Defaults"]["properties"]
    own = {key: schema for key, schema in route["properties"].items() if key not in defaults}
    assert_holds("configuration.md", table_of({**route, "properties": own}))


def test_every_key_of_own_incidents_is_told() -> None:
    sections = settings_schema()["$defs"]
    section, defaults = sections["OwnIncidents"], sections["Defaults"]["properties"]
    own = {key: schema for key, schema in section["properties"].items() if key not in defaults}
    assert_holds("configuration.md", table_of({**section, "properties": own}))


def test_every_key_of_mail_is_told() -> None:
    sections = settings_schema()["$defs"]
    route, shared = sections["RouteMail"], sections["Mail"]["properties"]
    own = {key: schema for key, schema in route["properties"].items() if key not in shared}
    assert_holds("mail.md", table_of(sections["Mail"]))
    assert_holds("mail.md", table_of({**route, "properties": own}))


# formats and factories


def test_every_key_of_a_format_is_told() -> None:
    text = read("formats.md")
    missing = [key for key in format_file._KEYS if f"`{key}`" not in text]
    missing += [field.name for field in dataclasses.fields(Fields) if f"`{field.name}`" not in text]
    assert missing == []


def test_every_bundled_format_is_told() -> None:
    formats = load_formats([ROOT / "config" / "formats"])
    assert_holds("formats.md", tabulate_formats(formats.values()))


def test_every_syntax_test_and_kind_of_a_format_is_told() -> None:
    text = read("formats.md")
    assert [name for name in SYNTAXES if f"`{name}`" not in text] == []
    assert [name for name in (*TESTS_OF_VALUES, *KINDS) if name not in text] == []


def test_everything_that_an_example_may_expect_is_told() -> None:
    text = read("formats.md")
    assert [name for name in ("outcome", "reason", *FACTS, "case") if f"`{name}`" not in text] == []


def test_every_setting_of_the_bundled_factory_is_told() -> None:
    settings = load_registry([]).factories["incident-siem"].settings_class
    keys = [field.metadata.get("key", field.name) for field in dataclasses.fields(settings)]
    assert [key for key in keys if f"| `{key}` |" not in read("factories.md")] == []


def test_the_example_of_a_factory_loads(tmp_path: Path) -> None:
    [example, *_] = re.findall(r"```python\n(.*?)```", read("factories.md"), re.DOTALL)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    [record] = [record for record in load_registry([tmp_path]).records if record.origin.startswith(str(tmp_path))]
    assert (record.status, record.detail) == ("loaded", "")


# texts


def test_everything_that_a_text_sees_is_told() -> None:
    text = read("templates.md")
    backlog = Backlog(last_seq=1)
    fields = {field.name: None for field in dataclasses.fields(CaseState)}
    case = CaseState(**{**fields, "told": {}})
    scene = describe_scene(case, backlog, {}, now=0.0, previous=None)
    names = [name for name in scene if name not in ("case", "backlog")]
    names += [f"{name}.{key}" for name in ("case", "backlog") for key in scene[name]]
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize("table", [FILTERS, TESTS, TEXT_METHODS])
def test_every_filter_test_and_method_is_told(table: dict) -> None:
    text = read("templates.md")
    assert [name for name in table if f"`{name}`" not in text] == []


# delivery and triage: the reasons


def literals_of(path: Path, names: set[str], place: int) -> Iterator[str]:
    """The text at `place` of every call of one of `names`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        called = getattr(node, "func", None)
        name = getattr(called, "id", None) or getattr(called, "attr", None)
        if name in names and len(node.args) > place and isinstance(node.args[place], ast.Constant):
            value = node.args[place].value
            if isinstance(value, str):
                yield value


def test_every_reason_of_delivery_is_told() -> None:
    package = ROOT / "itop_bridge"
    plan = package / "delivery" / "plan.py"
    reasons = {*literals_of(plan, {"Create", "Append", "Resolve", "Reopen", "Drop", "Wait", "_append"}, 1)}
    reasons |= {*literals_of(plan, {"Park"}, 0)}
    reasons |= {*literals_of(package / "delivery" / "failure.py", {"Consequence"}, 1)}
    assert len(reasons) > 20
    text = read("delivery.md")
    assert sorted(reason for reason in reasons if f"`{reason}`" not in text) == []


def test_every_reason_of_triage_is_told() -> None:
    triage = ROOT / "itop_bridge" / "triage"
    reasons = {
        reason
        for path in triage.rglob("*.py")
        for reason in literals_of(path, {"Dropped", "Rejected", "ElementError", "_reject"}, 0)
    }
    drops = {
        node.args[1].value
        for node in ast.walk(ast.parse((triage / "repeat.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Verdict" and node.args[0].value == "drop"
    }
    assert len(reasons) > 10
    assert len(drops) > 2
    text = read("operations.md")
    assert sorted(reason for reason in reasons | drops if f"`{reason}`" not in text) == []


# the log


@pytest.mark.parametrize("tabulate", [tabulate_troubles, tabulate_alarms, tabulate_news])
def test_the_catalogue_of_the_log_is_told(tabulate: Callable[[], list[str]]) -> None:
    assert_holds("log-events.md", tabulate())


def test_the_fixed_keys_are_told() -> None:
    assert ", ".join(code(key) for key in KEYS) in read("log-events.md")


def test_every_layout_of_the_log_is_told() -> None:
    assert [name for name in LAYOUTS if f"`{name}`" not in read("log-events.md")] == []


def test_every_metric_is_told() -> None:
    assert_holds("metrics.md", tabulate_metrics())


def test_every_outcome_of_a_call_is_told() -> None:
    kinds = [kind for each in ITopError.__subclasses__() for kind in each.__subclasses__()]
    assert len(kinds) > 10
    text = read("metrics.md")
    assert [name for name in map(name_outcome, kinds) if f"`{name}`" not in text] == []


# the documents themselves


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_condition_in_an_example_compiles(document: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    conditions = [line.strip() for block in blocks for line in block.splitlines() if line.strip().startswith("when:")]
    for line in conditions:
        compile_condition(yaml.safe_load(line)["when"])


def test_the_configuration_of_the_readme_is_valid(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "itop-bridge.yaml").write_text(example, encoding="utf-8")
    for name in ("broker-ca.pem", "mqtt-password", "itop-password"):
        (tmp_path / name).write_text("x", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    loaded = load_settings(tmp_path / "itop-bridge.yaml")
    assert loaded.warnings == []
    assert find_problems(loaded) == []


def test_the_format_of_the_documents_compiles(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(product:.*?)```", read("formats.md"), re.DOTALL)
    [examples] = re.findall(r"```yaml\n(examples:.*?)```", read("formats.md"), re.DOTALL)
    (tmp_path / "mysiem.yaml").write_text(example + examples, encoding="utf-8")
    mysiem = load_formats([tmp_path])["mysiem"]
    assert mysiem.product == "My SIEM"
    assert len(mysiem.examples) == 2
    assert [text for each in mysiem.examples for text in find_differences(each, mysiem)] == []


def test_the_texts_of_the_documents_compile() -> None:
    [example] = re.findall(r"```yaml\n(settings:.*?)```", read("templates.md"), re.DOTALL)
    for source in yaml.safe_load(example)["settings"].values():
        compile_text(source, html=False, max_chars=1000)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    local = [target for target in targets if not target.startswith(("http://", "https://", "mailto:"))]
    assert [target for target in local if not (document.parent / target).exists()] == []


# the promises


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`((?:unit|integration|acceptance|contract)/\S+\.py):\s+(test_\w+)`", read("reliability.md"))
    assert len(named) > 40
    missing = [
        f"{file}: {test}"
        for file, test in named
        if not re.search(
            rf"^\s*(?:async )?def {test}\(", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert missing == []


def test_every_crash_point_is_told() -> None:
    assert [name for name in CRASH_POINTS if f"`{name}`" not in read("reliability.md")] == []
