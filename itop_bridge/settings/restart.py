"""What a reload leaves alone: the keys that only a restart takes up. Pure."""

from collections.abc import Iterator

from pydantic import BaseModel

from itop_bridge.settings.model import Settings

_SECTIONS = ("mqtt", "journal", "console", "log")
_PACE = ("rate", "concurrency", "server_time_limit")
"""Of `itop`; the rest of that section is taken up by a reload."""


def find_restart_keys(started: Settings, now: Settings) -> list[str]:
    """The keys, in the order of the file's sections, whose values are not those that the daemon was started with."""
    keys = [key for name in _SECTIONS for key in _compare(getattr(started, name), getattr(now, name), name)]
    return keys + [f"itop.{name}" for name in _PACE if getattr(started.itop, name) != getattr(now.itop, name)]


def _compare(one: object, other: object, path: str) -> Iterator[str]:
    if isinstance(one, BaseModel) and isinstance(other, BaseModel):
        for name, value in one:
            yield from _compare(value, getattr(other, name), f"{path}.{name}")
    elif one != other:
        yield path
