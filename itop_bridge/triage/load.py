"""From the configuration to routes that can be used: formats, factories, expressions. Every problem in one go."""

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from itop_bridge.settings.route import Route as RouteSettings
from itop_bridge.triage.case_key import compile_group_by
from itop_bridge.triage.example import find_differences
from itop_bridge.triage.format import find_formats, load_formats
from itop_bridge.triage.mapping import Format
from itop_bridge.triage.recognition import AUTO, AutoFormat
from itop_bridge.triage.registry import Factory, Registry, load_registry, read_settings
from itop_bridge.triage.route import Route, Scene

NAMES = ("alert", "raw", "topic")
"""What a route's expressions may use."""


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
        self.lines.append(f"{self.loaded.locate(path)}: {path}: {message}")


def load_routing(loaded: Loaded) -> Routing:
    """Compile every route. Raises ConfigurationError with all problems of all routes."""
    settings = loaded.settings
    formats = _load_formats(loaded)
    known: dict[str, Format | AutoFormat] = {**formats, AUTO: AutoFormat(formats)}
    registry = load_registry(map(Path, settings.factories))
    problems = _Problems(loaded)
    routes = [
        _compile(f"routes[{index}]", each, loaded, known, registry, problems)
        for index, each in enumerate(settings.routes)
    ]
    if problems.lines:
        raise ConfigurationError(problems.lines)
    return Routing(tuple(route for route in routes if route), registry, formats)


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
        problems.add(f"{path}.format", f"there is no format {settings.format!r}{_suggest(settings.format, formats)}")
    made = _load_factory(path, settings, registry, problems)
    organization = _attempt(problems, f"{path}.organization", lambda: _compile_organization(settings.organization))
    when = _attempt(problems, f"{path}.when", lambda: _compile_when(settings.when))
    group_by = _attempt(problems, f"{path}.group_by", lambda: _compile_group_by(settings.group_by))
    if len(problems.lines) > before or form is None or made is None or organization is None:
        return None
    factory, factory_settings, writing = made
    policy = loaded.settings.policy_of(settings)
    told = tuple(sorted((key, value) for key, value in settings.settings.items() if _is_plain(value)))
    return Route(
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
        place=lambda attribute: loaded.locate(
            f"{path}.settings.fields.{attribute}" if attribute else f"{path}.settings.class"
        ),
    )


def _load_factory(
    path: str, settings: RouteSettings, registry: Registry, problems: _Problems
) -> tuple[Factory, Any, Writing] | None:
    factory = registry.factories.get(settings.factory)
    if factory is None:
        problems.add(f"{path}.factory", _describe_missing(settings.factory, registry))
        return None
    checked, wrong = read_settings(factory, settings.settings)
    for each in wrong:
        problems.add(".".join([f"{path}.settings", *map(str, each.path)]), each.message)
    if wrong:
        return None
    try:
        writing = factory.describe_writing(checked)
        for name, source in dataclasses.asdict(writing.texts).items():
            compile_text(source, html=name == "description", max_chars=1)
    except ExpressionError as error:
        problems.add(f"{path}.settings", f"a text is no template: {error}")
        return None
    return factory, checked, writing


def _describe_missing(name: str, registry: Registry) -> str:
    failed = next((r for r in registry.failed if r.name.replace("_", "-") == name), None)
    if failed:
        return f"the factory {name!r} ({failed.origin}) does not load: {failed.detail}"
    return f"there is no factory {name!r}{_suggest(name, registry.factories)}"


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


def _suggest(name: str, known: Iterable[str]) -> str:
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, 1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(choices)}"
