"""`itop-bridge replay`: recorded alerts, or journaled events, through the bridge again."""

import argparse
import base64
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.control import (
    add_operator_options,
    ask,
    check_may_change,
    operate,
    read_moment,
    say,
    say_json,
    tell,
)
from itop_bridge.cli.sheet import format_count
from itop_bridge.command.output import escape
from itop_bridge.errors import UsageError

if TYPE_CHECKING:
    from itop_bridge.control.door import Door
    from itop_bridge.control.request import Recorded

_LINES = (".ndjson", ".jsonl")
_MOST_ALERTS = 500
_MOST_BYTES = 2 * 1024 * 1024
"""In one request, and so in one commit; an alert that is larger goes alone."""
_WORDS = {
    "landed": "landed",
    "landed_before": "landed before",
    "dropped": "dropped",
    "dead": "dead",
    "given_up": "given up before",
    "waiting": "not mapped yet",
}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "replay",
        help="send recorded alerts or journaled events through again, none twice",
        description="Take recorded alerts in, as if they came by a topic now; or map journaled events again, with the"
        " configuration of now: what landed is left alone, what was dropped or dead may land.",
        epilog="Example: itop-bridge replay --since 2h --route wazuh --dry-run --config itop-bridge.yaml",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="a recorded payload; - is the standard input")
    parser.add_argument("--topic", metavar="TOPIC", help="of the files: the topic that they are taken to come by")
    parser.add_argument(
        "--lines", action="store_true", help="of the files: each line is a payload (so it is in .ndjson, .jsonl)"
    )
    parser.add_argument(
        "--since", type=read_moment, metavar="WHEN", help="events received since then: 2h (ago), or a date in UTC"
    )
    parser.add_argument("--until", type=read_moment, metavar="WHEN", help="with --since: up to then, not included")
    parser.add_argument("--route", metavar="NAME", help="with --since: only what goes to this route now")
    parser.add_argument(
        "--dry-run", action="store_true", default=argparse.SUPPRESS, help="tell what would happen; with -v of each"
    )
    add_operator_options(parser, json=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay, and tell what it came to. Raises BridgeError."""
    check_may_change(args)
    if bool(args.files) == (args.since is not None):
        raise UsageError("what? Give FILES with --topic, or --since for what the journal holds")
    return _replay_files(args) if args.files else _replay_events(args)


def _replay_events(args: argparse.Namespace) -> int:
    if args.topic is not None or args.lines:
        raise UsageError("--topic and --lines are for files: an event of the journal has its topic")

    async def work(door: "Door") -> int:
        from itop_bridge.control.request import ReplayEvents  # noqa: PLC0415 - heavy

        request = ReplayEvents(args.since, args.until, args.route, dry_run=args.dry_run, verbose=args.verbose)
        answer = await ask(door, request)
        _show(args, answer)
        if not args.json:
            say(summarise_events(answer, dry_run=args.dry_run))
        return 0

    return operate(args, work)


def summarise_events(answer: Mapping[str, Any], *, dry_run: bool) -> str:
    """`replayed 1200 events: 3 landed, 1190 landed before, 7 dropped`. Pure."""
    head = f"{'would replay' if dry_run else 'replayed'} {format_count(answer['events'], 'event')}"
    pruned = f"; {format_count(answer['pruned'], 'event')} no longer kept" if answer["pruned"] else ""
    return f"{head}{_list_outcomes(answer)}{pruned}"


def _replay_files(args: argparse.Namespace) -> int:
    if args.topic is None:
        raise UsageError("by which topic? Give --topic")
    if args.until is not None or args.route is not None:
        raise UsageError("--until and --route are for --since")
    parts = list(_split(_number_alerts(_load(args.files, lines=args.lines))))

    async def work(door: "Door") -> int:
        from itop_bridge.command.progress import show_progress  # noqa: PLC0415 - used here only
        from itop_bridge.control.request import ReplayRecorded  # noqa: PLC0415 - heavy

        sums: Counter[str] = Counter()
        total = sum(map(len, parts))
        with show_progress() as advance:
            for part in parts:
                request = ReplayRecorded(args.topic, tuple(part), dry_run=args.dry_run, verbose=args.verbose)
                answer = await door.ask(request)
                _show(args, answer, sums["alerts"])
                sums.update({name: count for name, count in answer.items() if name not in ("running", "elements")})
                sums["alerts"] += len(part)
                advance(sums["alerts"], total)
        if not args.json:
            say(summarise_recorded(sums, dry_run=args.dry_run, running=door.is_running))
        return 0

    return operate(args, work)


def summarise_recorded(sums: Mapping[str, int], *, dry_run: bool, running: bool) -> str:
    """`took in 12 alerts: 12 landed; 3 were taken in before`. Pure."""
    head = f"{'would take in' if dry_run else 'took in'} {format_count(sums.get('taken', 0), 'payload')}"
    known = f"; {sums['known']} taken in before" if sums.get("known") else ""
    later = "" if running or dry_run or not sums.get("taken") else ": mapped when the daemon starts"
    return f"{head}{_list_outcomes(sums)}{later}{known}"


def _list_outcomes(counts: Mapping[str, Any]) -> str:
    told = [f"{counts[name]} {word}" for name, word in _WORDS.items() if counts.get(name)]
    return f": {', '.join(told)}" if told else ""


def _show(args: argparse.Namespace, answer: Mapping[str, Any], before: int = 0) -> None:
    elements = answer.get("elements", ())
    if args.json:
        say_json(*elements, {name: value for name, value in answer.items() if name != "elements"})
        return
    say(*(describe_element(each, before) for each in elements))
    told = sum(answer.get(name, 0) for name in _WORDS)
    if elements and len(elements) < told:
        tell(f"the first {len(elements)} of {told} are shown")


def describe_element(element: Mapping[str, Any], before: int = 0) -> str:
    """An element as a line; of a recorded payload `before` is how many go before its request. Pure."""
    number = element["event_id"]
    place = f"event {number}/{element['idx']}" if number > 0 else f"payload {before - number}/{element['idx']}"
    outcome = _WORDS[element["outcome"]] + (f" ({element['reason']})" if element["reason"] else "")
    facts = (
        element["route"] and f"route {element['route']}",
        element["case"] and f"case {element['case']}",
        element["alert"] and f"alert {element['alert']}",
        element["title"],
    )
    return escape("  ".join([place, outcome, *(fact for fact in facts if fact)]))


def _load(files: Sequence[str], *, lines: bool) -> Iterator[bytes]:
    """The payloads, in order. Raises BridgeError for a file that cannot be read."""
    from itop_bridge.trial.sample import load_samples  # noqa: PLC0415 - used here only

    for sample in load_samples(files, sys.stdin.buffer):
        if lines or sample.file.endswith(_LINES):
            yield from (line for line in sample.payload.splitlines() if line.strip())
        else:
            yield sample.payload


def _number_alerts(payloads: Iterator[bytes]) -> Iterator["Recorded"]:
    """Each with how many of the same go before it. Raises UsageError for one that is too large."""
    from itop_bridge.control.replay import MOST_PAYLOAD  # noqa: PLC0415 - heavy
    from itop_bridge.control.request import Recorded  # noqa: PLC0415 - heavy

    met: Counter[bytes] = Counter()
    for place, payload in enumerate(payloads, 1):
        if len(payload) > MOST_PAYLOAD:
            raise UsageError(f"payload {place} has {len(payload)} bytes, and at most {MOST_PAYLOAD} are replayed")
        yield Recorded(base64.b64encode(payload).decode(), met[payload])
        met[payload] += 1


def _split(alerts: Iterator["Recorded"]) -> Iterator[list["Recorded"]]:
    part: list[Recorded] = []
    size = 0
    for each in alerts:
        if part and (len(part) == _MOST_ALERTS or size + len(each.payload) > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(each)
        size += len(each.payload)
    if part:
        yield part
