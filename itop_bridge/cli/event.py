"""`itop-bridge events`: the whole life of an alert, from its message to its effect in iTop."""

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.control import add_operator_options, operate, read_count, say, say_json, tell
from itop_bridge.cli.sheet import describe_attempt, draw_steps, format_moment, quote
from itop_bridge.errors import BridgeError, UsageError

if TYPE_CHECKING:
    from itop_bridge.control.door import Door

Step = tuple[float | None, str, Any]


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("events", help="the whole life of an alert: show")
    verbs = parser.add_subparsers(title="what to do", metavar="VERB", required=True)
    show = verbs.add_parser(
        "show",
        help="show an event, or the events that brought an alert",
        epilog="Example: itop-bridge events show --alert 1699.42 --config itop-bridge.yaml",
    )
    show.add_argument("id", type=read_count, nargs="?", metavar="ID", help="of an event, as the log has it (event_id)")
    show.add_argument("--alert", metavar="ALERT_ID", help="the alert's id in its SIEM; its events, the newest first")
    add_operator_options(show, json=True)
    show.set_defaults(run=run_show)


def run_show(args: argparse.Namespace) -> int:
    """Print one event, or those of an alert. Raises BridgeError if there is none."""
    if (args.id is None) == (args.alert is None):
        raise UsageError("which one? Give an event's ID, or --alert ALERT_ID")

    async def work(door: "Door") -> int:
        from itop_bridge.control.request import ShowEvent  # noqa: PLC0415 - heavy

        for number, event_id in enumerate(await _find(door, args)):
            event = await door.ask(ShowEvent(event_id))
            if args.json:
                say_json(event)
            else:
                say(*([""] if number else []), *describe_event(event))
        return 0

    return operate(args, work)


async def _find(door: "Door", args: argparse.Namespace) -> list[int]:
    from itop_bridge.control.request import FindEvents  # noqa: PLC0415 - heavy

    if args.id is not None:
        return [args.id]
    found: list[int] = (await door.ask(FindEvents(args.alert)))["events"]
    if not found:
        raise BridgeError(f"no event that the journal still has brought an alert with the id {args.alert!r}")
    if len(found) > 1:
        tell(f"{len(found)} events, the newest first")
    return found


def describe_event(event: Mapping[str, Any]) -> list[str]:
    """The event and what became of each element, as lines. Pure."""
    lines = [f"event {event['id']}"]
    lines += draw_steps(
        [(event["received"], "received", f"{event['topic']}, QoS {event['qos']}, {event['size']} bytes")]
    )
    lines += ["  | (the payload is no longer kept)"] if event["payload"] is None else quote(event["payload"])
    if not event["triaged"]:
        lines.append("  not mapped yet: triage has not come to it")
    for element in event["elements"]:
        lines += [f"element {element['idx']}", *draw_steps(list(_follow(element)))]
    if event["elements_total"] > len(event["elements"]):
        lines.append(f"… and {event['elements_total'] - len(event['elements'])} more elements")
    return lines


def _follow(element: Mapping[str, Any]) -> Iterator[Step]:
    for letter in element["letters"]:
        if letter["route"]:
            yield None, "route", letter["route"]
        yield letter["at"], "dead letter", f"{letter['id']}, {letter['reason']}: {letter['detail']}"
        yield letter["settled"], "state", letter["state"]
    for intent in element["intents"]:
        yield from _follow_intent(intent)
    for drop in element["drops"]:
        if drop["route"]:
            yield None, "route", drop["route"]
        yield None, "outcome", f"dropped: {drop['reason']}"


def _follow_intent(intent: Mapping[str, Any]) -> Iterator[Step]:
    yield intent["received"], "alert", f"{intent['title']} (id {intent['alert_id']})"
    yield None, "route", intent["route"]
    yield None, "case", f"{intent['case']} of {intent['organization']}"
    yield None, "asks for", _describe_wish(intent)
    for attempt in intent["attempts"]:
        yield attempt["sent"], "sent", describe_attempt(attempt)
    yield None, "outcome", _describe_outcome(intent)


def _describe_wish(intent: Mapping[str, Any]) -> str:
    """What is resolved has no urgency."""
    return "resolve" if intent["kind"] == "resolve" else f"{intent['kind']}, urgency {intent['urgency']}"


def _describe_outcome(intent: Mapping[str, Any]) -> str:
    because = f": {intent['reason']}" if intent["reason"] else ""
    if intent["state"] == "delivered":
        return f"delivered{because}, incident {intent['ref'] or '(none)'}"
    if intent["state"] == "waiting":
        return f"waits for its alert until {format_moment(intent['until'])}"
    return f"{intent['state']}{because}"
