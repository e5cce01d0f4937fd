"""From the configuration to routes that can be used: formats, factories, expressions. Every problem in one go."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from itop_bridge.alert import Alert, Severity
from itop_bridge.bundled import bundled_folder
from itop_bridge.errors import ConfigurationError, ExpressionError
from itop_bridge.expression import compile_condition, compile_text
from itop_bridge.intent import Case, Intent, Writing
from itop_bridge.journal.profile import Profile
from itop_bridge.settings.load import Loaded
from itop_bridge.settings.organization import Organization
from itop_bridge.settings.own_incident import OwnIncidents
from itop_bridge.settings.route import Route as RouteSettings
from itop_bridge.spelling import suggest_or_list
from itop_bridge.triage.case_key import NAMES, compile_group_by
from itop_bridge.triage.example import find_differences
from itop_bridge.triage.format import find_formats, load_format, load_formats
from itop_bridge.triage.heartbeat import describe_silence_route
from itop_bridge.triage.mapping import Format
from itop_bridge.triage.muting import choose_silences, compile_rules, compile_silences
from itop_bridge.triage.own_incident import OWN_TEXTS, describe_own_silence
from itop_bridge.triage.recognition import AUTO, AutoFormat
from itop_bridge.triage.registry import Factory, Registry, list_keys, load_registry, read_settings
from itop_bridge.triage.route import Route, Scene


@dataclass(frozen=True, slots=True)
class Routing:
    """The routes, and the factories and formats as they were found."""

    routes: tuple[Route, ...]
    registry: Registry
    formats: Mapping[str, Format]
    """Those that routes name (all for `auto`), and all of the site's own."""


@dataclass(slots=True)
class _Problems:
    loaded: Loaded
    lines: list[str] = field(default_factory=list)

    def add(self, path: str, message: str) -> None:
        line = f"{self.loaded.locate(path)}: {path}: {message}"
        if line not in self.lines:  # what stands in `defaults` is met by every route
            self.lines.append(line)


def load_routing(loaded: Loaded) -> Routing:
    """Compile every route. Raises ConfigurationError with all problems of all routes."""
    settings = loaded.settings
    formats = _load_formats(loaded)
    known: dict[str, Format | AutoFormat] = {**formats, AUTO: AutoFormat(formats)}
    registry = load_registry(map(Path, settings.factories))
    problems = _Problems(loaded)
    rules = compile_rules(settings.inhibit, problems.add)
    silences = compile_silences("silences", settings.silences, problems.add)
    routes = [
        _compile(f"routes[{index}]", each, loaded, known, registry, problems)
        for index, each in enumerate(settings.routes)
    ]
    own = _compile_own(settings.own_incidents, loaded, registry, problems)
    _find_unknown_defaults(loaded, registry, problems)
    if problems.lines:
        raise ConfigurationError(problems.lines)
    shared = [
        dataclasses.replace(route, rules=rules, silences=(*choose_silences(silences, route.name), *route.silences))
        for route in routes
        if route
    ]
    if own is not None and settings.own_incidents and settings.own_incidents.sources:
        shared = [_tell_silence(route, own) for route in shared]
    return Routing((*shared, own) if own else tuple(shared), registry, formats)


def _compile_own(section: OwnIncidents | None, loaded: Loaded, registry: Registry, problems: _Problems) -> Route | None:
    """The route of the bridge's own incidents. No silence and no rule of `inhibit` is for it."""
    if section is None:
        return None
    if "{" in section.organization.text:
        problems.add("own_incidents.organization", "must be no template: these incidents have no topic")
        return None
    settings = section.as_route()
    factory = registry.factories.get(settings.factory)
    texts = {name: text for name, text in OWN_TEXTS.items() if factory and name in list_keys(factory)}
    settings = settings.model_copy(update={"settings": {**texts, **settings.settings}})
    route = _compile("own_incidents", settings, loaded, {"generic": _load_own_format()}, registry, problems)
    return dataclasses.replace(route, takes_letters=section.dead_letters) if route else None


def _tell_silence(route: Route, own: Route) -> Route:
    watched = route.expect_every_s is not None
    return dataclasses.replace(route, silence=describe_own_silence(own, route.name)) if watched else route


def _load_formats(loaded: Loaded) -> dict[str, Format]:
    """The formats that routes name, or all; a site's own also where no route names them yet."""
    bundled, own = bundled_folder("config") / "formats", [Path(folder) for folder in loaded.settings.formats]
    named = {route.format for route in loaded.settings.routes}
    is_all = AUTO in named or not named <= find_formats([bundled, *own]).keys()
    return load_formats([bundled, *own], None if is_all else {*named, *find_formats(own)})


def find_problems(loaded: Loaded) -> Sequence[str]:
    """What is wrong with the routes, one line each. For `itop-bridge check`."""
    try:
        routing = load_routing(loaded)
    except ConfigurationError as error:
        return error.problems
    problems = [f"{record.origin}: the factory does not load: {record.detail}" for record in routing.registry.failed]
    for form in routing.formats.values():
        problems += [text for example in form.examples for text in find_differences(example, form)]
    return problems


def _compile(
    path: str,
    settings: RouteSettings,
    loaded: Loaded,
    formats: Mapping[str, Format | AutoFormat],
    registry: Registry,
    problems: _Problems,
) -> Route | None:
    before = len(problems.lines)
    form = formats.get(settings.format)
    if form is None:
        problems.add(
            f"{path}.format",
            f"there is no format {settings.format!r}{suggest_or_list(settings.format, sorted(formats))}",
        )
    made = _load_factory(path, settings, loaded, registry, problems)
    silences = compile_silences(f"{path}.silences", settings.silences, problems.add)
    organization = _attempt(problems, f"{path}.organization", lambda: _compile_organization(settings.organization))
    when = _attempt(problems, f"{path}.when", lambda: _compile_when(settings.when))
    heartbeat = _attempt(problems, f"{path}.heartbeat", lambda: _compile_when(settings.heartbeat))
    group_by = _attempt(problems, f"{path}.group_by", lambda: _compile_group_by(settings.group_by))
    if settings.silence_incident and "{" in settings.organization.text:
        problems.add(f"{path}.silence_incident", "needs an organization that is no template: silence has no topic")
    if len(problems.lines) > before or form is None or made is None or organization is None:
        return None
    factory, factory_settings, writing, given = made
    policy = loaded.settings.policy_of(settings)
    told = tuple(sorted((key, value) for key, value in given.items() if _is_plain(value)))
    route = Route(
        name=settings.name,
        pattern=settings.pattern,
        format=form,
        when=when,
        organization=organization,
        group_by=group_by,
        scope=settings.case_scope,
        timezone=ZoneInfo(settings.timezone),
        console_url=str(settings.settings.get("console_url") or ""),
        unknown_severity=Severity.parse(policy.unknown_severity),
        policy=policy,
        handle=_bind(factory, factory_settings),
        profile=Profile(settings.name, factory.name, policy, writing, told),
        continues=settings.continues,
        silences=tuple(each for each, _ in silences),
        rules=(),
        place=lambda attribute: loaded.locate(_place_of(loaded, path, _setting_of(attribute))),
        heartbeat=heartbeat,
        expect_every_s=settings.expect_every,
    )
    if not settings.silence_incident:
        return route
    return dataclasses.replace(route, silence=describe_silence_route(route, _load_own_format()))


@functools.cache
def _load_own_format() -> Format:
    """The format of the bridge's own events: the bundled one, whatever a site's own of that name reads. Its name tells
    in an incident who reported it."""
    return dataclasses.replace(load_format(bundled_folder("config") / "formats" / "generic.yaml"), name="itop-bridge")


def _load_factory(
    path: str, settings: RouteSettings, loaded: Loaded, registry: Registry, problems: _Problems
) -> tuple[Factory, Any, Writing, Mapping[str, Any]] | None:
    factory = registry.factories.get(settings.factory)
    if factory is None:
        problems.add(f"{path}.factory", _describe_missing(settings.factory, registry))
        return None
    known = list_keys(factory)
    own = loaded.document.keys
    given = {key: value for key, value in settings.settings.items() if key in known or f"{path}.settings.{key}" in own}
    checked, wrong = read_settings(factory, given)
    for each in wrong:
        problems.add(_place_of(loaded, path, ".".join(map(str, each.path))), each.message)
    if wrong:
        return None
    try:
        writing = factory.describe_writing(checked)
        for name, source in dataclasses.asdict(writing.texts).items():
            compile_text(source, html=name == "description", max_chars=1)
    except ExpressionError as error:
        problems.add(f"{path}.settings", f"a text is no template: {error}")
        return None
    return factory, checked, writing, given


def _place_of(loaded: Loaded, path: str, setting: str) -> str:
    """Where a route's setting is written: in the route, or in `defaults`."""
    key = setting.partition(".")[0]
    keys = loaded.document.keys
    inherited = f"defaults.settings.{key}" in keys and f"{path}.settings.{key}" not in keys
    return f"defaults.settings.{setting}" if inherited else f"{path}.settings.{setting}"


def _find_unknown_defaults(loaded: Loaded, registry: Registry, problems: _Problems) -> None:
    """Each of the settings in `defaults` must be known to some route's factory."""
    own = loaded.settings.own_incidents
    names = [*(route.factory for route in loaded.settings.routes), *([own.factory] if own else [])]
    used = [factory for name in names if (factory := registry.factories.get(name))]
    known = {key for factory in used for key in list_keys(factory)}
    for key in loaded.settings.defaults.settings.keys() - known if used else ():
        problems.add(
            f"defaults.settings.{key}", f"no route's factory has this setting{suggest_or_list(key, sorted(known))}"
        )


def _setting_of(attribute: str) -> str:
    """Where a factory's settings say an attribute of the incident; one with a dot (`cmdb.classes`) is a setting."""
    if "." in attribute:
        return attribute
    return f"fields.{attribute}" if attribute else "class"


def _describe_missing(name: str, registry: Registry) -> str:
    failed = next((r for r in registry.failed if r.name.replace("_", "-") == name), None)
    if failed:
        return f"the factory {name!r} ({failed.origin}) does not load: {failed.detail}"
    return f"there is no factory {name!r}{suggest_or_list(name, sorted(registry.factories))}"


def _attempt(problems: _Problems, path: str, compile_it: Callable[[], Any]) -> Any:
    try:
        return compile_it()
    except ExpressionError as error:
        problems.add(path, str(error))
        return None


def _compile_when(text: str | None) -> Callable[[Scene], bool] | None:
    return compile_condition(text, names=NAMES) if text else None


def _compile_group_by(texts: Sequence[str] | None) -> Callable[[Scene], Sequence[str]] | None:
    return compile_group_by(texts) if texts else None


def _compile_organization(organization: Organization) -> Callable[[Scene], str]:
    if "{" not in organization.text:
        fixed = str(organization)
        return lambda _scene: fixed
    render = compile_text(organization.text, html=False, max_chars=255, names=NAMES)
    return lambda scene: f"{organization.kind}:{render(scene).strip()}"


def _bind(factory: Factory, settings: Any) -> Callable[[Alert, Case], Sequence[Intent]]:
    return lambda alert, case: tuple(factory.handle(alert, case, settings))


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)
