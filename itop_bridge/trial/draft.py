"""A first configuration as text, with comments; it passes `check` once the files of its secrets are there. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import find_problems

SCHEMA = "itop-bridge.schema.json"
"""The file that the first line leads editors to: what `itop-bridge schema` prints."""

_MQTT_PASSWORD = "mqtt-password"  # noqa: S105 - a file's name
_ITOP_PASSWORD = "itop-password"  # noqa: S105 - the same


@dataclass(frozen=True, slots=True)
class Draft:
    """The answers that a first configuration is made of; what is empty is left out."""

    mqtt_host: str
    mqtt_port: int
    mqtt_tls: bool
    mqtt_ca_file: str
    mqtt_user: str
    itop_address: str
    itop_user: str
    organization: str
    """A code in iTop; empty: the topic's level {org}."""
    routes: tuple[tuple[str, str, str], ...]
    """Name, format and topic of each."""


def write_draft(draft: Draft) -> str:
    """The configuration."""
    return "\n".join([*_write_head(), *_write_mqtt(draft), *_write_itop(draft), *_write_routes(draft)]) + "\n"


def check_draft(path: Path, text: str) -> None:
    """As `check` does, but for the files of secrets, which need not be there yet. Raises ConfigurationError."""
    loaded = load_settings(path, offline=True, content=text.encode())
    if problems := find_problems(loaded):
        raise ConfigurationError(list(problems))


def list_next_steps(path: Path, draft: Draft) -> list[str]:
    """What is to be done before the bridge can run."""
    files = [*([_MQTT_PASSWORD] if draft.mqtt_user else []), _ITOP_PASSWORD]
    secrets = [f"install -m 600 /dev/stdin {path.parent / file}    # type it, then Enter and Ctrl-D" for file in files]
    if draft.mqtt_ca_file:
        secrets.append(f"cp … {path.parent / draft.mqtt_ca_file}    # the certificates that the broker is verified by")
    return [
        f"wrote {path}; next:",
        *(f"  {step}" for step in secrets),
        f"  itop-bridge schema > {path.parent / SCHEMA}    # for editors",
        f"  itop-bridge check -c {path}",
        f"  itop-bridge check --online -c {path}    # asks broker and iTop",
        f"  itop-bridge test -c {path} ALERT.json    # what a recorded alert would come to",
        f"  itop-bridge run --config {path}",
    ]


def _write_head() -> Iterator[str]:
    yield f"# yaml-language-server: $schema={SCHEMA}"
    yield "# A first configuration of itop-bridge; the program's config/itop-bridge.yaml has every key and its default."
    yield "# `itop-bridge check` tells all that is wrong with it, `itop-bridge test` what an alert would come to."
    yield ""


def _write_mqtt(draft: Draft) -> Iterator[str]:
    yield "mqtt:"
    yield f"  host: {_scalar(draft.mqtt_host)}"
    yield f"  port: {draft.mqtt_port}"
    if draft.mqtt_tls:
        yield "  # The broker is verified: by the authorities of ca_file, without it by the system's."
        yield f"  tls: {{ca_file: {_scalar(draft.mqtt_ca_file)}}}" if draft.mqtt_ca_file else "  tls: {}"
    if draft.mqtt_user:
        yield f"  username: {_scalar(draft.mqtt_user)}"
        yield "  # A file beside this one, or a credential of systemd; its content is the password."
        yield f"  password: {{file: {_MQTT_PASSWORD}}}"
    yield "  # The broker keeps our messages under this name: no two bridges may share one."
    yield "  client_id: itop-bridge"
    yield ""


def _write_itop(draft: Draft) -> Iterator[str]:
    yield "itop:"
    yield "  # Without /webservices/rest.php."
    yield f"  address: {_scalar(draft.itop_address)}"
    yield "  # With the profile REST Services User, and the right to write incidents."
    yield f"  user: {_scalar(draft.itop_user)}"
    yield f"  password: {{file: {_ITOP_PASSWORD}}}"
    yield "  # The most calls, evenly spaced."
    yield "  rate: 10/s"
    yield ""


def _write_routes(draft: Draft) -> Iterator[str]:
    yield "# What holds for every route that does not say otherwise."
    yield "defaults:"
    yield "  # The organisation of the incidents, by its code in iTop; {{ topic.org }} is the topic's level {org}."
    yield f"  organization: {json.dumps(draft.organization or '{{ topic.org }}', ensure_ascii=False)}"
    yield ""
    yield "routes:"
    for name, form, topic in draft.routes:
        yield f"  - name: {_scalar(name)}"
        yield f"    topic: {json.dumps(topic, ensure_ascii=False)}"
        yield f"    format: {_scalar(form)}"
        yield "    factory: incident-siem"
        yield "    # Only what matters: an alert for which this is false is dropped."
        yield "    #when: alert.severity >= 'medium'"
        yield "    # Names of iTop's objects."
        yield "    #settings: {team: SOC, service: CSOC - Security Monitoring}"


def _scalar(text: str) -> str:
    """A text as YAML writes it, in quotes only where it would be read as something else."""
    try:
        is_plain = yaml.safe_load(f"{{key: {text}}}") == {"key": text} and text.isprintable()
    except (yaml.YAMLError, ValueError):
        is_plain = False
    return text if is_plain else json.dumps(text, ensure_ascii=False)
