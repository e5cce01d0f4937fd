"""Topic patterns: MQTT filters whose levels may have names, `siem/{org}/wazuh`. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

OWN_TOPICS = "$itop-bridge/"
"""What the topics of the bridge's own events begin with: nothing is published there, and nothing subscribed."""

_NAMED = re.compile(r"\{([a-z][a-z0-9_]*)\}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """A pattern, taken apart."""

    filter: str
    """What is subscribed to: `siem/+/wazuh`."""
    names: tuple[tuple[str, int], ...]
    """The named levels and their places, counted from 0."""

    def match(self, topic: str) -> dict[str, str] | None:
        """The named levels of a topic; None if it does not match (MQTT 5, section 4.7)."""
        wanted, levels = self.filter.split("/"), topic.split("/")
        if topic.startswith("$") != wanted[0].startswith("$"):
            return None
        if wanted[-1] == "#":  # `sport/#` matches `sport` too
            levels = [*levels[: len(wanted) - 1], "#"]
        if len(levels) != len(wanted) or any(w not in ("+", got) for w, got in zip(wanted, levels, strict=True)):
            return None
        return {name: levels[place] for name, place in self.names}


def parse_topic(text: str) -> TopicPattern:
    """A pattern by MQTT's rules (MQTT 5, section 4.7). Raises ValueError."""
    if not text:
        raise ValueError("is empty")
    if "\0" in text or len(text.encode("utf-8", "replace")) > 65_535:
        raise ValueError("must be at most 65,535 bytes and hold no NUL")
    if text.startswith("$share/"):
        raise ValueError("is a shared subscription: name the topics themselves")
    levels = text.split("/")
    names: dict[str, int] = {}
    for place, level in enumerate(levels):
        if level == "#":
            if place < len(levels) - 1:
                raise ValueError("# must be the last level")
        elif match := _NAMED.fullmatch(level):
            if match[1] in names:
                raise ValueError(f"names two levels {level}")
            names[match[1]] = place
            levels[place] = "+"
        elif level != "+":
            _check_literal(level)
    return TopicPattern("/".join(levels), tuple(names.items()))


def _check_literal(level: str) -> None:
    if set(level) & set("#+"):
        raise ValueError(f"level {level!r}: + and # stand for whole levels only")
    if set(level) & set("{}"):
        raise ValueError(
            f"level {level!r}: a named level is a word of small letters in braces and nothing else: {{org}}"
        )


def overlap(one: str, other: str) -> bool:
    """Whether some topic is matched by both filters."""
    if one.startswith("$") != other.startswith("$"):  # wildcards do not match $SYS and its like at the first level
        return False
    return _levels_meet(one.split("/"), other.split("/"))


def _levels_meet(one: list[str], other: list[str]) -> bool:
    # "a/#" matches "a" too: one that is a level longer and ends in # still meets
    for mine, theirs in _zip_levels(one, other):
        if "#" in (mine, theirs):
            return True
        if mine is None or theirs is None:
            return False
        if mine != theirs and "+" not in (mine, theirs):
            return False
    return True


def _zip_levels(one: list[str], other: list[str]) -> Iterator[tuple[str | None, str | None]]:
    for place in range(max(len(one), len(other))):
        yield (one[place] if place < len(one) else None), (other[place] if place < len(other) else None)
