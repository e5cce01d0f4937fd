"""SIEM incidents: an alert opens an incident or is added to its log, a resolved alert resolves it.

The commands do by hand what alerts do by themselves.
"""

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from itop_bridge.factory import (
    Alert,
    AppendPublicLog,
    Case,
    Cmdb,
    CreateIncident,
    GetAction,
    Intent,
    ResolveIncident,
    Session,
    Severity,
    State,
    Texts,
    UsageError,
    Writing,
    add_organization_options,
    command,
    oql,
    organization_of,
    parse_variables,
    read_name,
)

if TYPE_CHECKING:
    from itop_bridge.factory import Entry

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


_ALERT_FIELDS = ("host", "short_host", "source", "destination")
_LEAST_CACHE_S, _MOST_CACHE_S = 60.0, 86_400.0


@dataclass(frozen=True, kw_only=True)
class CmdbSettings:
    """The machine that an alert is about, looked up in iTop's CMDB and attached to a new incident."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    classes: tuple[str, ...] = ("Server", "VirtualMachine")
    match: dict[str, str | tuple[str, ...]] = field(default_factory=lambda: {"name": "host"})
    """Its attribute, and the alert's field, or fields in order; the first that finds anything decides."""
    where: dict[str, str | int] = field(default_factory=dict)
    """Attributes that it must have besides: {status: production}."""
    raise_urgency: bool = True
    """A machine of high criticality makes its incident one step more urgent."""
    team: str | None = None
    """Its attribute that points at a team, which takes the place of the configured one."""
    cache: str = "10m"
    """How long what iTop said is remembered."""

    def __post_init__(self) -> None:
        if not self.classes or not self.match:
            raise ValueError("classes and match must name something")
        for name in (*self.classes, *self.match, *self.where, self.team or "team_id"):
            oql.equals(name, "")  # raises ValueError for what is no name
        for _, each in self._pairs():
            if each not in _ALERT_FIELDS:
                raise ValueError(f"match: the alert's fields are {', '.join(_ALERT_FIELDS)}, not {each!r}")
        if not _LEAST_CACHE_S <= self._cache_s() <= _MOST_CACHE_S:
            raise ValueError(f"cache: must be 1m to 1d, not {self.cache}")

    def describe(self) -> Cmdb:
        """For delivery."""
        return Cmdb(
            classes=self.classes,
            match=self._pairs(),
            where=tuple((name, str(value)) for name, value in self.where.items()),
            raise_urgency=self.raise_urgency,
            team=self.team or "",
            cache_s=self._cache_s(),
        )

    def _pairs(self) -> tuple[tuple[str, str], ...]:
        listed = {name: (each,) if isinstance(each, str) else each for name, each in self.match.items()}
        return tuple((name, each) for name, given in listed.items() for each in given)

    def _cache_s(self) -> float:
        from itop_bridge.factory import parse_duration  # noqa: PLC0415 - heavy

        return parse_duration(self.cache)


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
    cmdb: CmdbSettings | None = None
    """How the alert's machine is looked up; nothing is without this."""

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
        cmdb=settings.cmdb.describe() if settings.cmdb else None,
    )


# The commands

COLUMNS = ("id", "ref", "title", "org_id", "org_name", "operational_status")
EXIT_NO = 1
EXIT_UNKNOWN = 3
_REFERENCE = re.compile(r"[A-Z]-\S+")


@dataclass(frozen=True, kw_only=True)
class CommandSettings:
    """The commands' settings: `commands.settings.incident-siem` of the configuration."""

    iclass: str = field(default="Incident", metadata={"key": "class"})
    log: Literal["public", "private"] = "public"
    caller: str | None = None
    team: str | None = None
    agent: str | None = None
    service: str | None = None
    """Also what `incident-siem-get` lists: the incidents of this service, or all if there is none."""
    subcategory: str | None = None
    origin: str = "monitoring"
    impact: int = 3
    fields: dict[str, str | int] = field(default_factory=dict)
    """Further attributes of a new incident."""
    publog_fields: dict[str, str | int] = field(default_factory=dict)
    """Attributes that are set with every entry of `incident-siem-publog`."""
    template: str | None = None
    """A file with the HTML template of the description; the bundled one if absent."""
    solution: str = "Resolved by the SOC"
    resolution_code: str = "other"

    def __post_init__(self) -> None:
        if self.impact not in range(1, 4):
            raise ValueError(f"impact is 1 to 3, not {self.impact}")

    def describe_writing(self) -> Writing:
        """How the commands write incidents."""
        route = Settings(
            caller=self.caller, team=self.team, agent=self.agent, service=self.service, subcategory=self.subcategory
        )
        writing = describe_writing(route)
        return replace(
            writing,
            iclass=self.iclass,
            log=f"{self.log}_log",
            fields=tuple(self.fields.items()),
            origin=self.origin,
            resolution_code=self.resolution_code,
        )


def add_parser(subparsers: Any) -> None:
    """The commands `incident-siem-…`."""
    get = subparsers.add_parser("incident-siem-get", help="list SIEM incidents")
    add_organization_options(get)
    _add_incident_options(get, required=False)
    get.set_defaults(run=command(list_incidents))

    exists = subparsers.add_parser(
        "incident-siem-exists",
        help="tell whether an incident exists",
        description="Exit code 0: it exists; 1: it does not; 3: that could not be told.",
    )
    add_organization_options(exists)
    _add_incident_options(exists, required=True)
    exists.set_defaults(run=command(check_incident), exit_failed=EXIT_UNKNOWN)

    publog = subparsers.add_parser("incident-siem-publog", help="add to an incident's log")
    add_organization_options(publog)
    _add_incident_options(publog, required=True)
    _add_text_options(publog, required=True)
    publog.set_defaults(run=command(publish))

    create = subparsers.add_parser(
        "incident-siem-create",
        help="create an incident, or add to it if it exists",
        description="Create an incident, or add to the organisation's own of that title, unless that is closed.",
    )
    create.add_argument("--inc-title", required=True, metavar="TITLE", help="the incident's title")
    create.add_argument("--inc-urgency", required=True, type=int, choices=range(1, 5), help="1 (critical) to 4 (low)")
    add_organization_options(create, required=True)
    create.add_argument("--template", type=Path, metavar="FILE", help="the description's template, Jinja2 and HTML")
    create.add_argument("--vars", nargs="*", default=[], metavar="NAME:VALUE", help="what the template shows")
    _add_text_options(create, required=False)
    create.set_defaults(run=command(create_incident))

    resolve = subparsers.add_parser("incident-siem-resolve", help="resolve an incident")
    add_organization_options(resolve)
    _add_incident_options(resolve, required=True)
    _add_text_options(resolve, required=False)
    resolve.add_argument("--solution", metavar="TEXT", help="the incident's solution, one line")
    resolve.add_argument("--resolution-code", metavar="CODE", help="assistance, other, training, …")
    resolve.set_defaults(run=command(resolve_incident))


def _add_incident_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument(
        "--inc",
        type=read_name,
        metavar="INCIDENT",
        help="the incident, by its id, its reference (I-000123) or its title",
    )
    group.add_argument("--inc-id", type=int, metavar="ID", help="the incident, by its id")
    group.add_argument("--inc-name", type=read_name, metavar="REF", help="the incident, by its reference")
    group.add_argument("--inc-title", metavar="TITLE", help="the incident, by its title")


def _add_text_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--text", required=required, metavar="TEXT", help="the log entry")
    parser.add_argument("--html", action="store_true", help="the text is basic HTML; otherwise it is kept as it is")
    if parser.prog.endswith(("create", "publog")):
        parser.add_argument("--diff", action="store_true", help="add only the lines that the log does not hold yet")


def describe_search(args: argparse.Namespace) -> tuple[str, str] | None:
    """The incident that was meant, as a condition and in words; None if none was named."""
    meant = args.inc or ""
    if args.inc_id is not None or (meant.isascii() and meant.isdigit()):
        number = int(meant) if args.inc_id is None else args.inc_id
        return f"id = {number}", f"with the id {number}"
    if ref := args.inc_name or (meant if _REFERENCE.fullmatch(meant) else None):
        return oql.equals("ref", ref), f"with the reference {ref}"
    if title := args.inc_title or meant:
        from itop_bridge.factory import cut_title  # noqa: PLC0415 - heavy

        title = cut_title(title)  # as it was written
        return oql.equals("title", title), f"with the title {title!r}"
    return None


async def list_incidents(session: Session, args: argparse.Namespace) -> None:
    """incident-siem-get."""
    settings = session.settings_of(NAME, CommandSettings)
    conditions = await _conditions_of(session, args, settings)
    if settings.service and not conditions:
        conditions.append(oql.equals("service_name", settings.service))
    key = oql.select(settings.iclass, oql.all_of(conditions)) if conditions else None
    found = await session.read_all(GetAction(iclass=settings.iclass, key=key, output=COLUMNS[1:]))
    session.show([{"id": each.key, **each.fields} for each in found], COLUMNS)


async def check_incident(session: Session, args: argparse.Namespace) -> int:
    """incident-siem-exists."""
    settings = session.settings_of(NAME, CommandSettings)
    key = oql.select(settings.iclass, oql.all_of(await _conditions_of(session, args, settings)))
    answer = await GetAction(iclass=settings.iclass, key=key, output=("id", "ref"))()
    if session.is_dry:
        return EXIT_UNKNOWN
    session.say(f"yes: {', '.join(str(each.fields['ref']) for each in answer)}" if answer.objects else "no")
    return 0 if answer.objects else EXIT_NO


async def publish(session: Session, args: argparse.Namespace) -> None:
    """incident-siem-publog."""
    settings = session.settings_of(NAME, CommandSettings)
    desk = session.desk(settings.describe_writing())
    conditions, called = await _meant(session, args, settings)
    incident = await desk.find_one(conditions, called)
    entry = _entry_of(args, "")
    session.say_done(await desk.append(incident, entry, only_new=args.diff, fields=settings.publog_fields))


async def create_incident(session: Session, args: argparse.Namespace) -> None:
    """incident-siem-create."""
    from itop_bridge.factory import Draft, describe_incident, load_template  # noqa: PLC0415 - heavy

    settings = session.settings_of(NAME, CommandSettings)
    if not args.inc_title.strip():
        raise UsageError("--inc-title is empty")
    path = args.template or Path(settings.template or _STATIC / "incident_siem_case.html")
    description = describe_incident(
        load_template(path), parse_variables(args.vars), title=args.inc_title, urgency=args.inc_urgency
    )
    for remark in description.remarks:
        session.tell(remark)
    desk = session.desk(settings.describe_writing())
    organization = await desk.find_organization(organization_of(args) or {})
    entry = _entry_of(args, "Reported by the SIEM.")
    draft = Draft(args.inc_title, description.html, settings.impact, args.inc_urgency, entry)
    session.say_done(await desk.open_or_append(organization, draft, only_new=args.diff))


async def resolve_incident(session: Session, args: argparse.Namespace) -> None:
    """incident-siem-resolve."""
    from itop_bridge.factory import plain_line  # noqa: PLC0415 - heavy

    settings = session.settings_of(NAME, CommandSettings)
    writing = settings.describe_writing()
    desk = session.desk(replace(writing, resolution_code=args.resolution_code or writing.resolution_code))
    conditions, called = await _meant(session, args, settings)
    incident = await desk.find_one(conditions, called)
    solution = plain_line(args.solution or settings.solution)
    session.say_done(await desk.resolve(incident, _entry_of(args, ""), solution))


async def _conditions_of(session: Session, args: argparse.Namespace, settings: CommandSettings) -> list[str]:
    search = describe_search(args)
    conditions = [search[0]] if search else []
    organization = organization_of(args)
    if organization is not None:
        org = await session.desk(settings.describe_writing()).find_organization(organization)
        conditions.append(f"org_id = {org}")
    return conditions


async def _meant(session: Session, args: argparse.Namespace, settings: CommandSettings) -> tuple[Sequence[str], str]:
    search = describe_search(args)
    if search is None:
        raise UsageError("which incident? Give --inc with its id, reference or title")
    return await _conditions_of(session, args, settings), search[1]


def _entry_of(args: argparse.Namespace, default: str) -> "Entry":
    from itop_bridge.factory import Entry  # noqa: PLC0415 - heavy

    return Entry(args.text if args.text is not None else default, is_html=args.html)
