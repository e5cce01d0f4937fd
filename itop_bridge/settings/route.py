"""Routes, and the defaults that hold for all of them: each attribute is a key, its docstring what an editor shows."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, Strict, ValidationInfo, WithJsonSchema, field_validator

from itop_bridge.alert import Severity
from itop_bridge.settings.mail import RouteMail
from itop_bridge.settings.organization import NO_ORGANIZATION, OrganizationField
from itop_bridge.settings.policy import Expiry, Policy, Recurrence
from itop_bridge.settings.resolving import ResolveField, ResolveRule
from itop_bridge.settings.section import FILLED, Count, Lines, Section, Slug, Text
from itop_bridge.settings.silence import RouteSilence
from itop_bridge.settings.topic import TopicPattern, parse_topic
from itop_bridge.settings.unit import Duration, Size
from itop_bridge.settings.zone import Zone


def _check_severity(name: str) -> str:
    return str(Severity.parse(name))


def _check_topic(text: str) -> str:
    parse_topic(text)
    return text


SeverityName = Annotated[
    str, Strict(), AfterValidator(_check_severity), WithJsonSchema({"enum": [str(severity) for severity in Severity]})
]

_USUAL = Policy()


class FlappingRule(Section):
    """When a case flaps."""

    changes: Annotated[Count, Field(ge=2, le=1000)]
    """More changes than this between firing and resolved."""
    within: Annotated[float, Duration(least="10s", most="1h")]
    """In this time; and so long nothing must change before the incident is resolved."""


def _drop_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class StormRule(Section):
    """When there is a storm."""

    cases: Annotated[Count, Field(ge=2, le=10_000)]
    """More new cases than this, of one organisation."""
    within: Annotated[float, Duration(least="10s", most="1h")]
    """In this time; and it is over when there were fewer for so long."""
    link: bool = False
    """Make the storm's incident the parent of those that are made while it holds. iTop may resolve them with it."""


class AttachRule(Section):
    """What of an alert is attached."""

    most: Annotated[int, Size(least="1KiB", most="4MiB")] = 1_048_576
    """The head of a longer one."""


class PolicyKeys(Section):
    """What `defaults` and every route may say; a route's value wins."""

    organization: Annotated[OrganizationField, Field(json_schema_extra=_drop_default)] = NO_ORGANIZATION
    """An iTop organisation's code (a template: `{{ topic.org }}`), or {name: NAME}, or {id: NUMBER}."""
    timezone: Zone = "UTC"
    """For alerts whose times carry no zone."""
    group_wait: Annotated[float, Duration(most="1h")] = _USUAL.group_wait
    """How long a new case waits for further alerts before its incident is created."""
    group_interval: Annotated[float, Duration(least="1s")] = _USUAL.group_interval
    """The least time between two log entries of a case; it doubles while only counts change."""
    repeat_interval: Annotated[float, Duration(least="1s")] = _USUAL.repeat_interval
    """What the doubling of group_interval ends at."""
    duplicate_window: Annotated[float, Duration()] = _USUAL.duplicate_window
    """The same alert with the same content again within this time is counted and has no effect."""
    resolve_wait: Annotated[float, Duration()] = _USUAL.resolve_wait
    """How long a resolve waits for the alert that it resolves."""
    resolve_grace: Annotated[float, Duration()] = _USUAL.resolve_grace
    """An alert this soon after the resolution is appended, and reopens nothing."""
    reopen_within: Annotated[float, Duration()] = _USUAL.reopen_within
    """Until when after its resolution an incident is taken up again; later a new one is created."""
    recurrence: Recurrence = _USUAL.recurrence
    """What a later alert does to a resolved incident: reopen, append or new."""
    max_reopens: Annotated[Count, Field(ge=0)] = _USUAL.max_reopens
    """How often an incident is reopened; then a new one is created."""
    resolve: ResolveField = ResolveRule(_USUAL.resolve)
    """Which incidents are resolved: unheld (no person holds them), always, never; {path: [STIMULUS, …]} is a way."""
    firing_expires: Annotated[float, Duration(least="1m")] = _USUAL.firing_expires
    """How long an alert counts as firing when no resolve comes."""
    expired: Expiry = _USUAL.expired
    """What becomes of a case whose last alert expired: note or resolve."""
    log_budget: Annotated[Count, Field(ge=1, le=350)] = _USUAL.log_budget
    """How many log entries the bridge writes in one incident (iTop holds about 388 of everyone's)."""
    spacing: Annotated[float, Duration(most="1h")] = _USUAL.spacing
    """The least time between two changes of an incident's state, after the first."""
    unknown_severity: SeverityName = _USUAL.unknown_severity
    """The severity of an alert whose own cannot be read."""
    shadow: Annotated[bool, Strict()] = _USUAL.shadow
    """Decide, log and keep what would be written, and write nothing in iTop."""
    results: Annotated[bool, Strict()] = False
    """Publish what became of each alert, under `<base_topic>/results/<route>`."""
    flapping: FlappingRule | None = None
    """{changes: 6, within: 10m}: a case that changes more often is told once, and resolved when it has been quiet."""
    storm: StormRule | None = None
    """{cases: 50, within: 5m}: above this rate of new cases, one incident takes the alerts of further ones."""
    attach: AttachRule | None = None
    """{most: 1MiB}: the alert that opens an incident is attached to it as it came, since the journal keeps it only for
    `journal.keep`."""
    settings: dict[Annotated[str, Strict()], Any] = Field(default_factory=dict)
    """The factory's own settings. From `defaults` a route takes those that it does not say and its factory knows."""

    def inherit(self, defaults: "PolicyKeys") -> Self:
        """The same with what it does not say filled in."""
        unsaid = PolicyKeys.model_fields.keys() - self.model_fields_set - {"settings"}
        filled = {name: getattr(defaults, name) for name in unsaid}
        return self.model_copy(update={**filled, "settings": {**defaults.settings, **self.settings}})


class Defaults(PolicyKeys):
    """What holds for every route that does not say otherwise."""


class Route(PolicyKeys):
    """Which topics are read as what, and what becomes of the alerts. What it does not say, `defaults` say."""

    name: Slug
    """Small letters, digits, - and _; part of every case's key."""
    topic: Annotated[Text, AfterValidator(_check_topic)]
    """An MQTT filter whose levels may have names: siem/{org}/wazuh."""
    format: Slug
    """How the SIEM writes its alerts: a file in config/formats or in a folder of `formats`; auto tells it by shape."""
    when: Lines | None = None
    """An expression; an alert for which it is false is dropped as `filtered`."""
    factory: Slug
    """What makes incidents of the alerts."""
    group_by: Annotated[tuple[Lines, ...], *FILLED] | None = None
    """Fields of the alert, or expressions: alerts that agree in them share an incident. By default the format's."""
    case_scope: Annotated[Slug, Field(validate_default=True)] = ""
    """Routes with the same scope share cases; without it, the route's name."""
    continues: Annotated[bool, Strict(), Field(alias="continue")] = False
    """Whether an alert that it takes goes on to later routes of its topic as well."""
    expect_every: Annotated[float, Duration(least="1m")] | None = None
    """When nothing came by the route's topics for so long, that is an alarm: `source_silent`."""
    silence_incident: Annotated[bool, Strict()] = False
    """Whether such a silence opens an incident as well, which ends with it."""
    heartbeat: Lines | None = None
    """An expression; an alert for which it is true only shows that its source lives: it is dropped as `heartbeat`."""
    silences: tuple[RouteSilence, ...] = ()
    """Alerts of this route that open nothing, for a time."""
    mail: RouteMail | None = None
    """Whom people of this route are written to, and when, where that differs from the section `mail`."""

    @field_validator("case_scope", mode="before")
    @classmethod
    def _is_name_by_default(cls, value: Any, info: ValidationInfo) -> Any:
        return info.data.get("name", "unnamed") if value is None or value == "" else value

    @field_validator("silence_incident")
    @classmethod
    def _tells_of_silence(cls, value: Any, info: ValidationInfo) -> Any:
        if value and info.data.get("expect_every", 0.0) is None:
            raise ValueError("is of no use without expect_every")
        return value

    @property
    def pattern(self) -> TopicPattern:
        """The topic, taken apart."""
        return parse_topic(self.topic)
