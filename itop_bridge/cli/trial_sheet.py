"""What a sample came to, for people: lines, with whatever others wrote escaped and behind a bar. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from itop_bridge.alert import Alert
from itop_bridge.cli.sheet import draw_facts, quote, shorten
from itop_bridge.command.output import escape
from itop_bridge.journal.landing import Landing, Owed
from itop_bridge.outcome import Dropped, Rejected
from itop_bridge.trial.call import Call
from itop_bridge.trial.summary import is_weak, key_of, list_facts, write_key
from itop_bridge.trial.topic import Topic
from itop_bridge.trial.trial import Tried, Try

_WEAK = "weak: the alert says too little of itself, so its content stands for the key"
_TEXTS = ("title", "description", "log", "solution")


def describe_tried(tried: Tried, summary: Mapping[str, Any]) -> list[str]:
    """A head, and each element under it."""
    reason = f" ({summary['reason']})" if summary["reason"] else ""
    count = len(summary["alerts"])
    told = f"{count} alert{'' if count == 1 else 's'}" if count else summary["outcome"].replace("_", " ")
    lines = [f"{escape(tried.file)}: {told}{reason}"]
    if tried.topic:
        lines += draw_facts([("topic", _describe_topic(tried.topic))])
    for each in tried.tries:
        lines += _describe_try(each)
    return lines


def _describe_topic(topic: Topic) -> str:
    return f"{topic.text} ({topic.remark})" if topic.remark else topic.text


def _describe_try(tried: Try) -> Iterator[str]:
    why = f": {tried.read.why}" if tried.read.why else ""
    form = ("format", f"{tried.read.format or 'none'}{why}")
    if tried.alert is None:
        for ending in tried.endings:
            if not isinstance(ending, Landing):
                yield f"element {tried.index}: {_describe_ending(ending)}"
        yield from draw_facts([form])
        return
    yield f"element {tried.index}: {shorten(tried.alert.title)}"
    yield from draw_facts([form, *list_facts(tried.alert).items(), *_list_more(tried, tried.alert)])
    yield from _describe_steps(tried)
    calls = iter(tried.calls)
    for ending in tried.endings:
        if isinstance(ending, Landing):
            yield from _describe_landing(ending, next(calls, ()))
        else:
            yield f"  {_describe_ending(ending)}"


def _list_more(tried: Try, alert: Alert) -> Iterator[tuple[str, Any]]:
    yield "description", shorten(alert.description) if alert.description else None
    for name, texts in alert.observables.items():
        yield name, ", ".join(texts)
    yield "notes", ", ".join(alert.notes)
    if not tried.endings:
        yield "case key", write_key(tried.group)
        yield "", _WEAK if tried.weak else None


def _describe_ending(ending: Dropped | Rejected) -> str:
    field = ending.field if isinstance(ending, Rejected) else None
    told = ": ".join(escape(each) for each in (field, ending.detail) if each)
    what = "dead letter" if isinstance(ending, Rejected) else "dropped"
    return f"{what}: {ending.reason}{f' ({told})' if told else ''}"


def _describe_steps(tried: Try) -> Iterator[str]:
    if tried.steps:
        yield "  routes"
        yield from draw_facts([(step.route, step.why) for step in tried.steps], indent="    ")


def _describe_landing(landing: Landing, calls: Sequence[Call]) -> Iterator[str]:
    yield f"  route {landing.route}"
    facts = [
        ("case key", key_of(landing)),
        ("digest", landing.intents[0].digest if landing.intents else None),
        ("", _WEAK if is_weak(landing) else None),
        ("intents", ", ".join(_describe_intent(owed) for owed in landing.intents) or "none: the factory wants nothing"),
    ]
    yield from draw_facts(facts, indent="    ")
    for call in calls:
        yield from _describe_call(call)


def _describe_intent(owed: Owed) -> str:
    return f"create (impact {owed.impact}, urgency {owed.urgency})" if owed.kind == "create" else owed.kind


def _describe_call(call: Call) -> Iterator[str]:
    if call.operation is None:
        yield f"    if {call.supposed}, no call: {escape(call.reason)}"
        return
    yield f"    if {call.supposed}, {call.operation['operation']} ({call.reason})"
    yield from _indent(quote(json.dumps(call.operation, indent=2, ensure_ascii=False)))
    for name in _TEXTS:
        if name in call.texts:
            yield f"    {name}"
            yield from _indent(quote(call.texts[name]))


def _indent(lines: Sequence[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)
