"""The sample configuration that is shipped, and the JSON Schema: they say what the models say."""

import re
import typing

import pytest
import yaml
from pydantic import BaseModel

from itop_bridge.bundled import bundled_folder
from itop_bridge.settings.load import load_settings, settings_schema
from itop_bridge.settings.model import Settings
from itop_bridge.settings.organization import Organization
from itop_bridge.settings.section import Section

SAMPLE = (bundled_folder("config") / "itop-bridge.yaml").read_text(encoding="utf-8")
FULL = re.sub(r"^( *)#(?=[a-z]|  )", r"\1", SAMPLE, flags=re.MULTILINE)
"""The sample with every commented key made active."""

NAMED_FILES = (
    "broker-ca.pem",
    "bridge.pem",
    "bridge-key.pem",
    "bridge-key-password",
    "mqtt-password",
    "itop-password",
    "itop-token",
    "itop-ca.pem",
    "mail-ca.pem",
    "mail-password",
)


@pytest.fixture
def load(tmp_path):
    for name in NAMED_FILES:
        (tmp_path / name).write_text("x\n")
        (tmp_path / name).chmod(0o600)

    def load(text):
        path = tmp_path / "itop-bridge.yaml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, environ={})

    return load


def sections_of(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from sections_of(argument)


def keys_of(model, path=""):
    """The dotted paths of all keys; those that a route has from `defaults` are left to `defaults`."""
    for name, field in model.model_fields.items():
        if path in ("routes.", "own_incidents.") and name in Settings.model_fields["defaults"].annotation.model_fields:
            continue
        here = path + (field.alias or name)
        yield here
        for section in sections_of(field.annotation):
            yield from keys_of(section, f"{here}.")


def keys_in(data, path=""):
    items = data.items() if isinstance(data, dict) else []
    for key, value in items:
        yield path + key
        if path + key not in ("routes.settings", "own_incidents.settings"):
            for each in value if isinstance(value, list) else [value]:
                yield from keys_in(each, f"{path}{key}.")


def test_the_sample_loads_without_a_warning(load):
    loaded = load(SAMPLE)
    assert [route.name for route in loaded.settings.routes] == ["wazuh", "suricata", "alertmanager", "generic"]
    assert loaded.warnings == []


def test_the_sample_has_every_key():
    missing = set(keys_of(Settings)) - set(keys_in(yaml.safe_load(FULL)))
    assert missing == set()


def test_a_commented_key_is_at_its_default_or_has_none(load):
    """Making them all active changes nothing, but where there is no default to show."""
    usual, full = load(SAMPLE).settings, load(FULL).settings
    differing = dict(differences(usual, full))
    assert [path for path, default in differing.items() if default not in (None, {}, ())] == []
    assert "routes[0].group_by" in differing


def differences(one, other, path=""):
    if isinstance(one, Section) and isinstance(other, Section):
        for name in type(one).model_fields:
            yield from differences(getattr(one, name), getattr(other, name), f"{path}.{name}".lstrip("."))
    elif isinstance(one, tuple) and one and isinstance(one[0], Section):
        for place, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from differences(mine, theirs, f"{path}[{place}]")
    elif one != other:
        yield path, one


def test_the_sample_takes_the_organization_from_the_topic(load):
    route = load(SAMPLE).settings.routes[3]
    assert route.organization == Organization("code", "{{ topic.org }}")
    assert route.pattern.names == (("org", 1),)


# The schema, with as much of JSON Schema as it uses


def faults(value, schema, root, path="$"):
    if "$ref" in schema:
        schema = {
            **root["$defs"][schema["$ref"].rpartition("/")[2]],
            **{k: v for k, v in schema.items() if k != "$ref"},
        }
    unknown = schema.keys() - KEYWORDS.keys() - NOTES
    assert not unknown, f"the test does not know {unknown}"
    for keyword, check in KEYWORDS.items():
        if keyword in schema:
            yield from check(value, schema, root, path)


def _type(value, schema, _root, path):
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "boolean": bool,
        "null": type(None),
    }
    if not isinstance(value, kinds[schema["type"]]) or isinstance(value, bool) != (schema["type"] == "boolean"):
        yield f"{path}: not {schema['type']}"


def _any_of(value, schema, root, path):
    if all(any(faults(value, choice, root, path)) for choice in schema["anyOf"]):
        yield f"{path}: none of its forms"


def _properties(value, schema, root, path):
    for key, item in value.items() if isinstance(value, dict) else ():
        if key in schema["properties"]:
            yield from faults(item, schema["properties"][key], root, f"{path}.{key}")
        elif schema.get("additionalProperties") is False:
            yield f"{path}.{key}: unknown"


def _required(value, schema, _root, path):
    yield from (f"{path}.{key}: missing" for key in schema["required"] if isinstance(value, dict) and key not in value)


def _items(value, schema, root, path):
    for place, item in enumerate(value if isinstance(value, list) else ()):
        yield from faults(item, schema["items"], root, f"{path}[{place}]")


def _holds(condition):
    def check(value, schema, _root, path):
        if not condition(value, schema):
            yield f"{path}: {value!r}"

    return check


KEYWORDS = {
    "type": _type,
    "anyOf": _any_of,
    "properties": _properties,
    "required": _required,
    "items": _items,
    "enum": _holds(lambda value, schema: value in schema["enum"]),
    "const": _holds(
        lambda value, schema: value == schema["const"] and isinstance(value, bool) == isinstance(schema["const"], bool)
    ),
    "pattern": _holds(lambda value, schema: not isinstance(value, str) or re.search(schema["pattern"], value)),
    "minLength": _holds(lambda value, schema: not isinstance(value, str) or len(value) >= schema["minLength"]),
    "minItems": _holds(lambda value, schema: not isinstance(value, list) or len(value) >= schema["minItems"]),
    "minimum": _holds(lambda value, schema: not isinstance(value, int) or value >= schema["minimum"]),
    "maximum": _holds(lambda value, schema: not isinstance(value, int) or value <= schema["maximum"]),
}
NOTES = {"title", "description", "default", "examples", "additionalProperties", "$defs", "$schema"}


@pytest.mark.parametrize("text", [SAMPLE, FULL])
def test_the_sample_is_valid_by_the_schema(text):
    schema = settings_schema()
    assert list(faults(yaml.safe_load(text), schema, schema)) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ("rate: 10/s", "rate: 10"),
        ("level: info", "level: warn"),
        ("#group_interval: 5m", "group_interval: 5"),
        ("factory: incident-siem", "factry: incident-siem"),
        ("password: {file: itop-password}", "password: {fil: itop-password}"),
    ],
)
def test_the_schema_refuses_what_loading_refuses(load, change, path):
    text = FULL.replace(change.lstrip("#"), path)
    assert text != FULL
    schema = settings_schema()
    assert list(faults(yaml.safe_load(text), schema, schema))
    with pytest.raises(Exception, match=r"itop-bridge\.yaml:"):
        load(text)


def test_the_schemas_defaults_are_written_as_in_the_file():
    definitions = settings_schema()["$defs"]
    assert definitions["Defaults"]["properties"]["group_interval"]["default"] == "5m"
    assert definitions["Mqtt"]["properties"]["max_payload"]["default"] == "32MiB"
    assert definitions["Console"]["properties"]["listen"]["default"] == "127.0.0.1:8765"


def test_every_key_has_a_description():
    undescribed = [
        f"{section}.{key}"
        for section, definition in settings_schema()["$defs"].items()
        for key, schema in definition.get("properties", {}).items()
        if "description" not in schema and "$ref" not in schema
    ]
    assert undescribed == []
