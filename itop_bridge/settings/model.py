"""The configuration's models: each attribute is a key, its docstring the description that an editor shows.

Durations are seconds, rates calls per second, sizes bytes. Made by `load.load_settings`.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from itop_bridge.settings.address import Listen, ListenField, Url
from itop_bridge.settings.command import Commands
from itop_bridge.settings.inhibition import Inhibition
from itop_bridge.settings.mail import Mail
from itop_bridge.settings.own_incident import OwnIncidents
from itop_bridge.settings.place import Folder, InputFile, LogFile, StateFile
from itop_bridge.settings.policy import Attach, Flapping, Policy, Storm
from itop_bridge.settings.route import Defaults, Route
from itop_bridge.settings.secret import Secret
from itop_bridge.settings.section import FILLED, Count, Port, Section, Text, check_only_with
from itop_bridge.settings.silence import Silence
from itop_bridge.settings.unit import Duration, Rate, Size


def _check_base_topic(text: str) -> str:
    if set(text) & set("+#{}\0") or text.startswith(("/", "$")) or text.endswith("/"):
        raise ValueError("must be a topic without wildcards, not starting or ending with / and not starting with $")
    return text


def _check_prefix(text: str) -> str:
    return _check_base_topic(text.removesuffix("/") or text)


def read_prefixes(value: Any) -> Any:
    """One prefix, or several."""
    return [value] if isinstance(value, str) else value


ResponsePrefix = Annotated[Text, AfterValidator(_check_prefix)]


class Tls(Section):
    """TLS towards the broker. An empty section (`tls: {}`) verifies the broker by the system's authorities."""

    ca_file: InputFile | None = None
    """Certificates of the authorities that the broker is verified by."""
    cert_file: InputFile | None = None
    """Our own certificate, for brokers that ask for one."""
    key_file: InputFile | None = None
    """Its private key."""
    key_password: Secret | None = None
    """The password of the private key."""

    @field_validator("key_file")
    @classmethod
    def _belongs_to_certificate(cls, value: Any, info: ValidationInfo) -> Any:
        return check_only_with("cert_file", value, info)

    @field_validator("key_password")
    @classmethod
    def _belongs_to_key(cls, value: Any, info: ValidationInfo) -> Any:
        return check_only_with("key_file", value, info)


class Reconnect(Section):
    """The wait before a new connection, drawn anew each time and doubling from `least` to `most`."""

    least: Annotated[float, Duration(least="100ms")] = 1.0
    """The bound of the first wait."""
    most: Annotated[float, Duration(least="1s")] = 60.0
    """What it doubles up to."""

    @field_validator("most")
    @classmethod
    def _not_below_least(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("least", 0):
            raise ValueError("must not be less than reconnect.least")
        return value


def _read_protocol(value: Any) -> Any:
    return "5" if value == 5 and isinstance(value, int) else value


class Mqtt(Section):
    """The broker."""

    host: Text
    """The broker's name or address."""
    port: Port = 1883
    """8883 if there is a `tls` section, else 1883."""
    tls: Tls | None = None
    """TLS towards the broker; without this section the connection is in clear."""
    client_id: Text = "itop-bridge"
    """The name that the broker keeps our session under: no two bridges may share one."""
    username: Text | None = None
    """Whom we log in as."""
    password: Secret | None = None
    """{file: NAME} or {env: NAME}."""
    base_topic: Annotated[Text, AfterValidator(_check_base_topic)] = "itop-bridge"
    """What the bridge publishes lies under this topic: `status`, `itop` and `results/<route>`."""
    response_prefix: Annotated[
        tuple[ResponsePrefix, ...],
        BeforeValidator(read_prefixes),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    ] = ()
    """Topics, one or several, below which a sender may choose the response topic of its results (MQTT 5)."""
    protocol: Annotated[
        Literal["auto", "5", "3.1.1"],
        BeforeValidator(_read_protocol),
        WithJsonSchema({"enum": ["auto", "5", 5, "3.1.1"]}),
    ] = "auto"
    """MQTT's version; auto is 5, and 3.1.1 where the broker refuses 5."""
    session_expiry: Annotated[float, Duration(least="1m")] = 604_800.0
    """How long the broker keeps messages for us while we are away."""
    keepalive: Annotated[float, Duration(least="5s", most="18h")] = 60.0
    """The longest silence on the connection; a dead one is noticed after one and a half of it."""
    receive_maximum: Annotated[Count, Field(ge=1, le=65_535)] = 1000
    """How many messages the broker may send ahead of our acknowledgements (MQTT 5)."""
    max_pending: Annotated[int, Size(least="1MiB")] = 67_108_864
    """How many bytes may wait in memory for their commit; above it the socket is not read."""
    max_payload: Annotated[int, Size(least="1KiB", most="255MiB")] = 33_554_432
    """A larger payload becomes a dead letter `too_large`."""
    reconnect: Reconnect = Reconnect()
    """The wait before a new connection."""

    @model_validator(mode="before")
    @classmethod
    def _choose_port(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("tls") is not None:
            return {"port": 8883, **data}
        return data

    @field_validator("tls", mode="before")
    @classmethod
    def _is_meant(cls, value: Any) -> Any:
        if value is None:  # a section with all its keys in comments: never fall back to a connection in clear
            raise ValueError("is empty: write {} for TLS with the system's authorities, or take the key out")
        return value

    @field_validator("password")
    @classmethod
    def _belongs_to_user(cls, value: Any, info: ValidationInfo) -> Any:
        return check_only_with("username", value, info)


class Itop(Section):
    """iTop, and how much may be asked of it."""

    address: Url
    """Where iTop is installed, without /webservices/rest.php."""
    version: Annotated[str, Strict(), StringConstraints(pattern=r"^\d+\.\d+$")] = "1.4"
    """The version of iTop's REST API."""
    auth: Literal["form", "basic", "token"] = "form"
    """How we log in: user and password as form fields or as HTTP Basic, or a token (iTop 3.1)."""
    user: Annotated[Text | None, Field(validate_default=True)] = None
    """The account, with the profile REST Services User and the right to write incidents."""
    password: Annotated[Secret | None, Field(validate_default=True)] = None
    """{file: NAME} or {env: NAME}."""
    token: Annotated[Secret | None, Field(validate_default=True)] = None
    """With `auth: token`: {file: NAME} or {env: NAME}."""
    rate: Annotated[float, Rate(least="1/h", most="1000/s")] = 10.0
    """The most calls, evenly spaced."""
    concurrency: Annotated[Count, Field(ge=1, le=64)] = 4
    """How many calls may be under way at once."""
    timeout: Annotated[float, Duration(least="1s", most="1h")] = 30.0
    """How long a call may take; then its outcome is unknown and looked up."""
    server_time_limit: Annotated[float, Duration(least="1s", most="1h")] = 60.0
    """After how long iTop itself has given up a call (PHP's and the proxy's limits)."""
    ca_file: InputFile | None = None
    """Certificates of the authorities that iTop is verified by; without it the system's."""
    cert_file: InputFile | None = None
    """Our own certificate, where iTop asks for one."""
    key_file: InputFile | None = None
    """Its private key."""

    @field_validator("user", "password")
    @classmethod
    def _needed_without_token(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.data.get("auth") in ("form", "basic"):
            raise ValueError(f"missing: auth: {info.data['auth']} needs user and password")
        return value

    @field_validator("token")
    @classmethod
    def _needed_with_token(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.data.get("auth") == "token":
            raise ValueError("missing: auth: token needs it")
        return value

    @field_validator("key_file")
    @classmethod
    def _belongs_to_certificate(cls, value: Any, info: ValidationInfo) -> Any:
        return check_only_with("cert_file", value, info)


class Journal(Section):
    """Where alerts are kept until they are in iTop, and after."""

    path: Annotated[StateFile, Field(validate_default=True)] = "journal.db"  # type: ignore[assignment] # a name until it is validated, which a default is too
    """The SQLite file; relative to $STATE_DIRECTORY, which systemd sets, else to the working directory."""
    keep: Annotated[float, Duration(least="1h")] = 2_592_000.0
    """How long payloads of what is settled are kept."""


class Console(Section):
    """Health, metrics and the status page over HTTP."""

    listen: ListenField = Listen("127.0.0.1", 8765)
    """host:port, or off."""


class Log(Section):
    """What the daemon tells of itself."""

    file: LogFile | None = None
    """A file besides, as JSON lines (or ecs), rotated at 10 MiB, five kept; relative to $LOGS_DIRECTORY."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is told."""
    format: Literal["auto", "json", "console", "logfmt", "ecs"] = "auto"
    """How a line is written: json, console (for people), logfmt, ecs (JSON with the names of the Elastic Common
    Schema), or auto: console on a terminal, else json."""


class CommandSettings(Section):
    """The sections that commands and the library read. The others are not looked into: their secrets are for the
    daemon only."""

    model_config = ConfigDict(extra="ignore")

    itop: Itop
    commands: Commands = Field(default_factory=Commands)
    factories: tuple[Folder, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, data: Any) -> Any:
        """A section that is not there, or has all its keys in comments, is an empty one."""
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class Settings(Section):
    """The whole file."""

    mqtt: Mqtt
    itop: Itop
    journal: Journal = Field(default_factory=Journal)
    console: Console = Field(default_factory=Console)
    log: Log = Field(default_factory=Log)
    factories: tuple[Folder, ...] = ()
    """Folders with further factories, relative to this file."""
    formats: tuple[Folder, ...] = ()
    """Folders with further formats, relative to this file."""
    commands: Commands = Field(default_factory=Commands)
    mail: Mail | None = None
    """Whom people are written to, and by which server; without it nobody is."""
    defaults: Defaults = Field(default_factory=Defaults)
    silences: tuple[Silence, ...] = ()
    """Alerts that open nothing, for a time or in windows of the week."""
    inhibit: tuple[Inhibition, ...] = ()
    """Alerts that open nothing while others fire."""
    own_incidents: OwnIncidents | None = None
    """Incidents of the bridge's own team, for dead letters and silent sources; none without this section."""
    routes: Annotated[tuple[Route, ...], *FILLED]
    """At least one: from topics to incidents."""

    @model_validator(mode="before")
    @classmethod
    def _fill_sections(cls, data: Any) -> Any:
        """A section that is not there, or has all its keys in comments, is an empty one."""
        if data is None or isinstance(data, dict):
            given = {name: value for name, value in (data or {}).items() if value is not None}
            return {**{name: {} for name in SECTIONS}, **given}
        return data

    @field_validator("routes")
    @classmethod
    def _inherit(cls, routes: tuple[Route, ...], info: ValidationInfo) -> tuple[Route, ...]:
        defaults = info.data.get("defaults")
        return tuple(route.inherit(defaults) for route in routes) if defaults else routes

    @field_validator("own_incidents")
    @classmethod
    def _inherit_own(cls, own: OwnIncidents | None, info: ValidationInfo) -> OwnIncidents | None:
        defaults = info.data.get("defaults")
        return own.inherit(defaults) if own and defaults else own

    def policy_of(self, route: Route) -> Policy:
        """A route's rules: its own values, else `defaults`, else the bridge's."""
        same = Policy.__dataclass_fields__.keys() - {"resolve", "resolve_path", "flapping", "storm", "attach"}
        rules = {name: getattr(route, name) for name in same}
        flapping = Flapping(route.flapping.changes, route.flapping.within) if route.flapping else None
        storm = Storm(route.storm.cases, route.storm.within, route.storm.link) if route.storm else None
        attach = Attach(route.attach.most) if route.attach else None
        way = route.resolve
        return Policy(**rules, resolve=way.when, resolve_path=way.path, flapping=flapping, storm=storm, attach=attach)


SECTIONS = ("mqtt", "itop", "journal", "console", "log", "commands", "defaults")
