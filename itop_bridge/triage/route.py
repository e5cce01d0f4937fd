"""Routes, compiled: which alerts of which topics go to which factory, for which organisation, as which case."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from itop_bridge.alert import Alert, Severity
from itop_bridge.errors import ElementError, ExpressionError
from itop_bridge.intent import Case, Intent
from itop_bridge.journal.profile import Profile
from itop_bridge.settings.policy import Policy
from itop_bridge.settings.topic import OWN_TOPICS, TopicPattern
from itop_bridge.triage.inhibition import Rule
from itop_bridge.triage.mapping import Format
from itop_bridge.triage.recognition import AutoFormat
from itop_bridge.triage.silence import Silence

Scene = Mapping[str, Any]
"""What a route's expressions see: `alert`, `raw`, `topic`."""


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One route of the configuration, ready to be used."""

    name: str
    pattern: TopicPattern
    format: Format | AutoFormat
    when: Callable[[Scene], bool] | None
    organization: Callable[[Scene], str]
    """Gives `code:EXC`, `name:…` or `id:2`."""
    group_by: Callable[[Scene], Sequence[str]] | None
    """None: the format's own case key."""
    scope: str
    timezone: ZoneInfo
    console_url: str
    """What links that are only paths lead to: the factory's setting of this name, "" if there is none."""
    unknown_severity: Severity
    policy: Policy
    handle: Callable[[Alert, Case], Sequence[Intent]]
    profile: Profile
    continues: bool
    """Whether an alert that it takes goes on to later routes."""
    silences: tuple[Silence, ...]
    rules: tuple[Rule, ...]
    """Of inhibition: the same for all routes."""
    place: Callable[[str], str]
    """Where the configuration says how an attribute of the incident is written ("" for the class), or has a setting
    with a dot in its name (`cmdb.classes`): file:line:column."""
    heartbeat: Callable[[Scene], bool] | None = None
    """Tells the alerts that only show that their source lives."""
    expect_every_s: float | None = None
    """How long nothing may come; None: for ever."""
    silence: "Route | None" = None
    """The route of the incident of its silence, if there is to be one."""
    takes_letters: bool = False
    """Whether dead letters are told by it."""

    @property
    def is_own(self) -> bool:
        """True for the route of the bridge's own incidents: no broker has its topics."""
        return self.pattern.filter.startswith(OWN_TOPICS)

    def case_of(self, alert: Alert, scene: Scene) -> tuple[Case, bool]:
        """The case that an alert belongs to; True if its key is weak, so that its content stands for it.

        Raises ElementError if the organisation or the key cannot be told.
        """
        organization = _evaluate("organization", self.organization, scene)
        if not organization.partition(":")[2]:
            raise ElementError(
                "organization_missing", "the route's organization is empty for this alert", "organization"
            )
        values, weak = self._group(alert, scene)
        return Case(organization, self.scope, (alert.format, *values)), weak

    def _group(self, alert: Alert, scene: Scene) -> tuple[tuple[str, ...], bool]:
        if self.group_by is None:
            return self.format.case_fields(alert)
        values = tuple(_evaluate("group_by", self.group_by, scene))
        return (values, False) if any(values) else ((alert.content_hash,), True)

    def accepts(self, scene: Scene) -> bool:
        """Whether `when` holds. Raises ElementError if it cannot be evaluated."""
        return self.when is None or _evaluate("when", self.when, scene)

    def is_heartbeat(self, scene: Scene) -> bool:
        """Whether the alert only shows that its source lives. Raises ElementError if that cannot be evaluated."""
        return self.heartbeat is not None and _evaluate("heartbeat", self.heartbeat, scene)


def _evaluate(field: str, expression: Callable[[Scene], Any], scene: Scene) -> Any:
    try:
        return expression(scene)
    except ExpressionError as error:
        raise ElementError("expression_failed", str(error), field) from error


def match_routes(routes: Sequence[Route], topic: str) -> Sequence[tuple[Route, dict[str, str]]]:
    """The routes of a topic with its named levels, in the configuration's order.

    Only those that read the first one's format: an event is read once.
    """
    return _match_routes(tuple(routes), topic)


@lru_cache(maxsize=1_024)  # topics are few and come again and again
def _match_routes(routes: tuple[Route, ...], topic: str) -> Sequence[tuple[Route, dict[str, str]]]:
    if topic.startswith(OWN_TOPICS):
        routes = (*(route.silence for route in routes if route.silence), *(route for route in routes if route.is_own))
    matches = [(route, names) for route in routes if (names := route.pattern.match(topic)) is not None]
    return tuple((route, names) for route, names in matches if route.format is matches[0][0].format)
