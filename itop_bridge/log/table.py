"""The catalogue for people: as tables in Markdown, as a list, and one entry of it in full. Pure."""

import textwrap
from collections.abc import Iterable, Mapping

from itop_bridge.log.catalogue import ALARMS, EVENTS
from itop_bridge.log.entry import Condition, Event

_CALM = ("debug", "info")
_WIDTH = 100


def tabulate_troubles() -> list[str]:
    """The events from a warning on, with what to do about them."""
    rows = [
        f"| `{name}` | {event.level} | {event.meaning} | {event.remedy or 'Nothing.'} | {_join_fields(event)} |"
        for name, event in _choose(calm=False).items()
    ]
    return ["| event | level | what it tells | what to do | fields |", "| --- | --- | --- | --- | --- |", *rows]


def tabulate_news() -> list[str]:
    """The events that tell how it goes."""
    rows = [
        f"| `{name}` | {event.level} | {event.meaning} | {_join_fields(event)} |"
        for name, event in _choose(calm=True).items()
    ]
    return ["| event | level | what it tells | fields |", "| --- | --- | --- | --- |", *rows]


def tabulate_alarms() -> list[str]:
    """The alarms, with what to do about them and what ends them."""
    rows = [
        f"| `{name}` | {alarm.meaning} | {alarm.remedy} | {alarm.ending} | {_join(alarm.always)} |"
        for name, alarm in ALARMS.items()
    ]
    return ["| alarm | what it tells | what to do | ends when | fields |", "| --- | --- | --- | --- | --- |", *rows]


def list_entries() -> list[str]:
    """Every event and alarm in a line."""
    names = [*EVENTS, *ALARMS]
    width = max(map(len, names))
    events = [f"{name:<{width}}  {event.level:<8}  {event.meaning}" for name, event in EVENTS.items()]
    return events + [f"{name:<{width}}  {'alarm':<8}  {alarm.meaning}" for name, alarm in ALARMS.items()]


def describe_entry(name: str) -> list[str]:
    """All that is known of an event or alarm, as lines of text. Raises KeyError."""
    entry = EVENTS.get(name) or ALARMS[name]
    facts = {"what it tells": entry.meaning, "what to do": entry.remedy or "Nothing."}
    if isinstance(entry, Condition):
        facts |= {"ends when": entry.ending, "fields": ", ".join(entry.always)}
        return [f"{name} (alarm)", *_fold(facts)]
    facts |= {"fields": ", ".join(entry.always), "sometimes": ", ".join(entry.sometimes)}
    return [f"{name} ({entry.level})", *_fold(facts)]


def _choose(*, calm: bool) -> Mapping[str, Event]:
    return {name: event for name, event in EVENTS.items() if (event.level in _CALM) is calm}


def _join_fields(event: Event) -> str:
    sometimes = f"sometimes {_join(event.sometimes)}" if event.sometimes else ""
    return "; ".join(filter(None, (_join(event.always), sometimes)))


def _join(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _fold(facts: Mapping[str, str]) -> list[str]:
    margin = max(map(len, facts)) + 4
    return [
        line
        for title, text in facts.items()
        if text
        for line in textwrap.wrap(
            text, _WIDTH, initial_indent=f"  {title}".ljust(margin), subsequent_indent=" " * margin
        )
    ]
