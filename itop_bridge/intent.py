"""What a factory wants done in iTop. Frozen values, no I/O."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from itop_bridge.alert import Alert


@dataclass(frozen=True)
class Case:
    """The key of a case: everything that belongs to one incident.

    `organization` is the canonical text of the route's organisation (`code:EXC`, `name:…`, `id:2`), `scope` the route's
    name or its `case_scope`, `group` the format's name and the values of `group_by` in order.
    """

    organization: str
    scope: str
    group: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """One text that no two cases share."""
        return json.dumps([self.organization, self.scope, *self.group], ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        """The dedup key: the first 12 hex digits of the key's SHA-256."""
        return hashlib.sha256(self.key.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class CreateIncident:
    """The alert deserves an incident: open one, or add to the case's own."""

    case: Case
    alert: Alert
    impact: int
    """iTop's 1 (a department) to 3 (a person)."""
    urgency: int
    """iTop's 1 (critical) to 4 (low)."""


@dataclass(frozen=True, slots=True)
class AppendPublicLog:
    """The alert is told in the case's incident if there is one; it never opens one."""

    case: Case
    alert: Alert


@dataclass(frozen=True, slots=True)
class ResolveIncident:
    """The alert no longer fires; when nothing of the case does, its incident is resolved."""

    case: Case
    alert: Alert


Intent = CreateIncident | AppendPublicLog | ResolveIncident


@dataclass(frozen=True, slots=True)
class Texts:
    """The Jinja2 sources of what is written in iTop, rendered at delivery, once per call.

    They see `alert`, `latest`, `alerts`, `case`, `backlog`, `ci` and `settings` (docs/templates.md).
    """

    title: str
    description: str
    """HTML: values are escaped."""
    create_log: str
    append_log: str
    resolve_log: str
    solution: str
    """One line of plain text."""


@dataclass(frozen=True, slots=True)
class Cmdb:
    """How the configuration item (CI) that an alert is about is looked up in iTop, within the case's organisation."""

    classes: tuple[str, ...]
    match: tuple[tuple[str, str], ...]
    """Pairs of the CI's attribute and the alert's field (`host`, `short_host`, `source` or `destination`), in order:
    the first by which anything is found decides."""
    where: tuple[tuple[str, str], ...] = ()
    """Attributes and values that a CI must have besides."""
    raise_urgency: bool = True
    """A CI of high criticality makes its incident one step more urgent."""
    team: str = ""
    """The CI's attribute that points at its team, which then takes the place of the configured one; empty: none."""
    cache_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Writing:
    """How the incidents of a case are written: what a factory gives for a route's settings."""

    texts: Texts
    iclass: str = "Incident"
    log: str = "public_log"
    references: tuple[tuple[str, str, str], ...] = ()
    """Optional references as (attribute, class, name): ("team_id", "Team", "SOC")."""
    fields: tuple[tuple[str, object], ...] = ()
    """Further attributes, written as given."""
    title_prefix: str = "[SIEM-{digest}]"
    origin: str = "monitoring"
    """Empty: not written."""
    resolution_code: str = "assistance"
    cmdb: Cmdb | None = None
    """None: new incidents have no CI."""
