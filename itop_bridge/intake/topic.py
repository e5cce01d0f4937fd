"""Topic filters: which covers which. Pure."""

from collections.abc import Iterable


def covers(wide: str, narrow: str) -> bool:
    """Whether every topic that `narrow` matches is matched by `wide` too (MQTT 5, section 4.7)."""
    if narrow.startswith("$") and wide[0] in "+#":
        return False
    narrow_levels = narrow.split("/")
    wide_levels = wide.split("/")
    for depth, level in enumerate(wide_levels):
        if level == "#":
            return True
        if depth == len(narrow_levels) or narrow_levels[depth] == "#":
            return False
        if level not in ("+", narrow_levels[depth]):
            return False
    return len(wide_levels) == len(narrow_levels)


def reduce_filters(filters: Iterable[str]) -> list[str]:
    """The fewest of `filters` that match the same topics, in order.

    A broker may deliver one copy per subscription that matches: what a wider filter covers is not subscribed.
    """
    distinct = list(dict.fromkeys(filters))
    return [narrow for narrow in distinct if not any(wide != narrow and covers(wide, narrow) for wide in distinct)]
