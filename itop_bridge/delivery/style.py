"""How a case is written: its profile, and the profile's texts compiled."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from itop_bridge.delivery.text import Pen
from itop_bridge.intent import Writing
from itop_bridge.journal.profile import Profile, parse_profile

_MOST_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Style:
    """A profile with its texts compiled."""

    profile: Profile
    pen: Pen


class Styles:
    """The styles of the journal's profiles, compiled once."""

    def __init__(self, fetch_profile: Callable[[str], Coroutine[Any, Any, str]]) -> None:
        self._fetch_profile = fetch_profile
        self._profiles: dict[str, Profile] = {}
        self._styles: dict[str, Style] = {}

    async def find(self, hashed: str) -> Style:
        """Raises ExpressionError for texts that this version of the bridge does not take any more."""
        if hashed not in self._styles:
            profile = await self._find_profile(hashed)
            self._styles[hashed] = Style(profile, Pen.of(profile.writing))
        return self._styles[hashed]

    async def find_writing(self, hashed: str) -> Writing:
        """For what needs no texts."""
        return (await self._find_profile(hashed)).writing

    async def find_route(self, hashed: str) -> str:
        """The name of the route that it is of."""
        return (await self._find_profile(hashed)).route

    async def _find_profile(self, hashed: str) -> Profile:
        if hashed not in self._profiles:
            if len(self._profiles) >= _MOST_REMEMBERED:
                self._profiles.clear()
                self._styles.clear()
            self._profiles[hashed] = parse_profile(await self._fetch_profile(hashed))
        return self._profiles[hashed]
