import os
import textwrap

import pytest

from itop_bridge.triage.registry import load_registry, read_settings

GOOD = """
    from dataclasses import dataclass
    from itop_bridge.factory import CreateIncident, Texts, Writing
    NAME = "mine"
    @dataclass(frozen=True)
    class Settings:
        team: str = "SOC"
    def handle(alert, case, settings):
        return [CreateIncident(case, alert, 1, 1)]
    def describe_writing(settings):
        return Writing(Texts("t", "d", "c", "a", "r", "s"))
"""


def write(folder, name, text):
    (folder / name).write_text(textwrap.dedent(text))


def status_of(registry, name):
    return {record.name: record for record in registry.records}[name]


def test_the_bundled_factory_is_loaded():
    assert "incident-siem" in load_registry([]).factories


def test_a_sites_own_factory_is_loaded(tmp_path):
    write(tmp_path, "mine.py", GOOD)
    assert "mine" in load_registry([tmp_path]).factories


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("1 +", "SyntaxError"),
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("NAME = 'x'", "has no Settings"),
        (GOOD.replace("@dataclass(frozen=True)", ""), "no dataclass"),
    ],
)
def test_a_factory_that_does_not_load_is_reported_and_takes_no_other_down(tmp_path, text, detail):
    write(tmp_path, "broken.py", text)
    registry = load_registry([tmp_path])
    assert detail in status_of(registry, "broken").detail
    assert "incident-siem" in registry.factories


def test_a_later_factory_of_the_same_name_wins(tmp_path):
    write(tmp_path, "own.py", GOOD.replace('"mine"', '"incident-siem"'))
    registry = load_registry([tmp_path])
    assert registry.factories["incident-siem"].settings_class.__name__ == "Settings"
    assert [r.status for r in registry.records if r.name == "incident-siem"] == ["overridden", "loaded"]


def test_private_modules_are_no_factories(tmp_path):
    write(tmp_path, "_shared.py", "1 +")
    assert not load_registry([tmp_path]).failed


def test_every_wrong_setting_is_reported_at_once():
    factory = load_registry([]).factories["incident-siem"]
    _, problems = read_settings(factory, {"teem": "SOC", "log": "loud", "create_from": "hihg"})
    told = {each.path[0] if each.path else "": each.message for each in problems}
    assert "did you mean team?" in told["teem"]
    assert "public" in told["log"]


def test_a_key_that_is_no_python_name_has_its_own_spelling():
    factory = load_registry([]).factories["incident-siem"]
    settings, problems = read_settings(factory, {"class": "UserRequest"})
    assert not problems
    assert settings.iclass == "UserRequest"


COMMANDS = """
    NAME = "mine"
    def add_parser(subparsers):
        subparsers.add_parser("mine-get")
"""


def test_a_factory_may_have_commands_only(tmp_path):
    write(tmp_path, "mine.py", COMMANDS)
    record = status_of(load_registry([tmp_path]), "mine")
    assert (record.status, record.factory) == ("loaded", None)
    assert record.add_parser is not None
    assert "mine" not in load_registry([tmp_path]).factories


def test_an_overridden_factory_loses_its_commands_too(tmp_path):
    write(tmp_path, "own.py", GOOD.replace('"mine"', '"incident-siem"'))
    records = [r for r in load_registry([tmp_path]).records if r.name == "incident-siem"]
    assert [bool(r.add_parser) for r in records] == [False, False]


def test_a_factory_that_ends_the_program_does_not(tmp_path):
    write(tmp_path, "broken.py", "raise SystemExit(3)")
    assert "SystemExit: 3" in status_of(load_registry([tmp_path]), "broken").detail


def test_a_factory_that_changed_within_a_second_is_loaded_anew(tmp_path):
    write(tmp_path, "mine.py", GOOD)
    path = tmp_path / "mine.py"
    before = path.stat()
    assert load_registry([tmp_path]).factories["mine"].settings_class().team == "SOC"
    path.write_text(path.read_text().replace("SOC", "NOC"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert load_registry([tmp_path]).factories["mine"].settings_class().team == "NOC"
