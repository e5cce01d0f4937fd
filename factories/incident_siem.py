"""SIEM incidents: an alert opens an incident or is added to its log, a resolved alert resolves it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from itop_bridge.factory import (
    Alert,
    AppendPublicLog,
    Case,
    CreateIncident,
    Intent,
    ResolveIncident,
    Severity,
    State,
    Texts,
    Writing,
)

NAME = "incident-siem"

_STATIC = Path(__file__).parent / "static"

# iTop computes the priority from impact and urgency: (1, 1) is critical, (3, 4) is low
_GRADES: Mapping[str, tuple[int, int]] = {
    "critical": (1, 1),
    "high": (2, 2),
    "medium": (2, 3),
    "low": (3, 4),
    "informational": (3, 4),
}

_ALERT_LINE = (
    "{{ a.title }} [{{ a.severity }}]"
    "{% if a.host %}, host {{ a.host }}{% endif %}{% if a.user %}, user {{ a.user }}{% endif %}"
    "{% if a.source %}, from {{ a.source }}{% endif %}{% if a.destination %} to {{ a.destination }}{% endif %}"
)

_COUNTS = (
    "{{ backlog.count }} alert{{ '' if backlog.count == 1 else 's' }}"
    "{% if backlog.resolved %} ({{ backlog.resolved }} resolved){% endif %}, "
    "received {{ backlog.first }}{% if backlog.count > 1 %} to {{ backlog.last }}{% endif %}"
    "{% if backlog.late_minutes %}; written {{ backlog.late_minutes }} minutes late{% endif %}."
)

_LIST = "{% for a in alerts %}\n- " + _ALERT_LINE + "{% endfor %}"

CREATE_LOG = (
    "{% if backlog.note %}{{ backlog.note }}\n{% endif %}"
    "{% if case.previous %}Follows {{ case.previous }}.\n{% endif %}Opened for " + _COUNTS + _LIST
)
APPEND_LOG = (
    _COUNTS
    + "{% if backlog.news.severity %}\nNow {{ backlog.news.severity | join }}.{% endif %}"
    + "{% if backlog.resolved and case.firing %}\nStill firing: {{ case.firing }}.{% endif %}"
    + _LIST
)
RESOLVE_LOG = "Nothing of this case fires any more. " + _COUNTS + _LIST


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The `settings:` of a route. Everything has a default; names are iTop's names of the objects."""

    iclass: str = field(default="Incident", metadata={"key": "class"})
    log: Literal["public", "private"] = "public"
    create_from: str = "informational"
    """Alerts below this severity are added to an incident that there is, and open none."""
    caller: str | None = None
    team: str | None = None
    agent: str | None = None
    service: str | None = None
    subcategory: str | None = None
    origin: str = "monitoring"
    console_url: str | None = None
    title_prefix: str = "[SIEM-{digest}]"
    title: str = "{{ alert.title }}{% if alert.host %} on {{ alert.host }}{% endif %}"
    description: str | None = None
    """An HTML template; the bundled one if absent."""
    create_log: str = CREATE_LOG
    append_log: str = APPEND_LOG
    resolve_log: str = RESOLVE_LOG
    solution: str = "The SIEM reports that {{ alert.title }} no longer fires"
    resolution_code: str = "other"
    severities: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Impact and urgency by severity, where they differ from the usual."""
    fields: dict[str, str | int] = field(default_factory=dict)
    """Further attributes of the incident."""

    def __post_init__(self) -> None:
        Severity.parse(self.create_from)
        for severity, (impact, urgency) in self.severities.items():
            Severity.parse(severity)
            if impact not in range(1, 4) or urgency not in range(1, 5):
                raise ValueError(f"severities.{severity}: impact is 1 to 3, urgency 1 to 4, not {impact}, {urgency}")
        if "{digest}" not in self.title_prefix:
            raise ValueError("title_prefix: must hold {digest}, by which the bridge finds its incident again")
        if set(self.title_prefix) & set("%_"):
            raise ValueError("title_prefix: % and _ are wildcards to iTop and cannot be searched for")


def handle(alert: Alert, case: Case, settings: Settings) -> Iterable[Intent]:
    """What an alert asks for."""
    if alert.state is State.RESOLVED:
        return (ResolveIncident(case, alert),)
    if alert.severity < Severity.parse(settings.create_from):
        return (AppendPublicLog(case, alert),)
    impact, urgency = settings.severities.get(str(alert.severity), _GRADES[str(alert.severity)])
    return (CreateIncident(case, alert, impact, urgency),)


def describe_writing(settings: Settings) -> Writing:
    """How the incidents are written."""
    references = (
        ("caller_id", "Person", settings.caller),
        ("team_id", "Team", settings.team),
        ("agent_id", "Person", settings.agent),
        ("service_id", "Service", settings.service),
        ("servicesubcategory_id", "ServiceSubcategory", settings.subcategory),
    )
    description = settings.description or (_STATIC / "incident_siem_template.html").read_text(encoding="utf-8")
    return Writing(
        texts=Texts(
            title=settings.title,
            description=description,
            create_log=settings.create_log,
            append_log=settings.append_log,
            resolve_log=settings.resolve_log,
            solution=settings.solution,
        ),
        iclass=settings.iclass,
        log=f"{settings.log}_log",
        references=tuple((attribute, iclass, name) for attribute, iclass, name in references if name),
        fields=tuple(settings.fields.items()),
        title_prefix=settings.title_prefix,
        origin=settings.origin,
        resolution_code=settings.resolution_code,
    )
