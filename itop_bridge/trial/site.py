"""What samples are tried on: a format alone, or a site's routes, loaded without its secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from itop_bridge.bundled import bundled_folder
from itop_bridge.delivery.style import Style
from itop_bridge.delivery.text import Pen
from itop_bridge.errors import UsageError
from itop_bridge.settings.load import load_settings
from itop_bridge.spelling import suggest_or_list
from itop_bridge.triage.format import find_formats, load_formats
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.mapping import Format
from itop_bridge.triage.recognition import AUTO, AutoFormat
from itop_bridge.triage.route import Route


@dataclass(frozen=True, slots=True)
class Site:
    """The routes of a configuration, and their conditions as they are written."""

    routes: Sequence[Route]
    conditions: Mapping[str, str] = field(default_factory=dict)
    """Each route's `when`, by the route's name."""
    _styles: dict[str, Style] = field(default_factory=dict)

    def style_of(self, profile_hash: str) -> Style:
        """How the route of that profile writes. Its texts are compiled once, when they are first wanted."""
        if profile_hash not in self._styles:
            profile = next(route.profile for route in self.routes if route.profile.hash == profile_hash)
            self._styles[profile_hash] = Style(profile, Pen.of(profile.writing))
        return self._styles[profile_hash]


def find_format(name: str) -> Format | AutoFormat:
    """A bundled format, or all of them for `auto`. Raises UsageError if there is none of that name."""
    folders = [bundled_folder("config") / "formats"]
    if name == AUTO:
        return AutoFormat(load_formats(folders))
    known = find_formats(folders)
    if name not in known:
        raise UsageError(
            f"there is no bundled format {name!r}{suggest_or_list(name, sorted(known))}; --config brings a site's own"
        )
    return load_formats(folders, [name])[name]


def load_site(config: Path, format_name: str) -> Site:
    """The routes of a configuration; with a format other than `auto` only those that read it. No secret is read.

    Raises ConfigurationError with every problem, and UsageError if no route reads the format.
    """
    loaded = load_settings(config, offline=True)
    routes = [route for route in load_routing(loaded).routes if not route.is_own]
    conditions = {route.name: route.when for route in loaded.settings.routes if route.when}
    if format_name == AUTO:
        return Site(routes, conditions)
    chosen = [route for route in routes if route.format.name == format_name]
    if not chosen:
        hint = suggest_or_list(format_name, sorted({route.format.name for route in routes}))
        raise UsageError(f"no route of {config} reads the format {format_name!r}{hint}")
    return Site(chosen, conditions)
