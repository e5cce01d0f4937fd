"""`itop-bridge cases`: what belongs to one incident each: listed, shown, and resolved after a bad rule."""

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.control import (
    add_operator_options,
    answer,
    check_may_change,
    confirm,
    count_found,
    operate,
    read_count,
    read_moment,
    say_json,
    tell,
)
from itop_bridge.cli.sheet import describe_attempt, draw_facts, draw_steps, format_count, format_moment
from itop_bridge.command.output import escape, show_rows

if TYPE_CHECKING:
    from itop_bridge.control.door import Door
    from itop_bridge.journal.inquiry import CaseFilter

STATES = ("parked", "waiting", "open", "resolved", "idle")
_COLUMNS = ("id", "case", "organization", "route", "state", "incident", "firing", "pending", "opened", "oldest")
_PAGE = 500


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("cases", help="what belongs to one incident each: list, show, resolve")
    verbs = parser.add_subparsers(title="what to do", metavar="VERB", required=True)
    _add_list(verbs)
    _add_show(verbs)
    _add_resolve(verbs)


def _add_list(verbs: Any) -> None:
    parser = verbs.add_parser(
        "list",
        help="list cases, the oldest first",
        epilog="Example: itop-bridge cases list --route wazuh --state open --since 2h --config itop-bridge.yaml",
    )
    parser.add_argument("--route", metavar="NAME", help="of this route")
    parser.add_argument("--organization", metavar="NAME", help="of this organisation, as code:EXC")
    parser.add_argument("--state", choices=STATES, help="in this state")
    _add_since(parser, "opened since then")
    parser.add_argument("--limit", type=read_count, default=200, metavar="N", help="at most so many (%(default)s)")
    add_operator_options(parser, json=True)
    parser.set_defaults(run=run_list)


def _add_show(verbs: Any) -> None:
    parser = verbs.add_parser(
        "show",
        help="show one, with its whole life",
        epilog="Example: itop-bridge cases show I-000123 --config itop-bridge.yaml",
    )
    parser.add_argument("case", metavar="CASE", help="its id, its key in the title (0a1b2c3d4e5f), or a reference")
    add_operator_options(parser, json=True)
    parser.set_defaults(run=run_show)


def _add_resolve(verbs: Any) -> None:
    parser = verbs.add_parser(
        "resolve",
        help="resolve a route's open incidents, after a bad rule",
        description="Resolve a route's open incidents, as if the SIEM had said so: what a person holds is not closed,"
        " and iTop's rate is kept.",
        epilog="Example: itop-bridge cases resolve --route wazuh --since 2h --dry-run --config itop-bridge.yaml",
    )
    parser.add_argument("--route", metavar="NAME", required=True, help="of this route")
    _add_since(parser, "whose incident was opened since then", required=True)
    parser.add_argument("--dry-run", action="store_true", default=argparse.SUPPRESS, help="only count them")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until they are done")
    add_operator_options(parser, json=True)
    parser.set_defaults(run=run_resolve)


def _add_since(parser: argparse.ArgumentParser, told: str, *, required: bool = False) -> None:
    told = f"{told}: 2h, or 2026-11-24T10:00 (UTC)"
    parser.add_argument("--since", type=read_moment, metavar="AGO|DATE", required=required, help=told)


def run_list(args: argparse.Namespace) -> int:
    """Print the cases that the filters leave."""

    async def work(door: "Door") -> int:
        cases, more = await _fetch(door, _filter_of(args), args.limit)
        if args.json:
            say_json(*cases)
        else:
            show_rows([_row(case) for case in cases], _COLUMNS, how=args.output_format)
        if more:
            tell(f"the first {len(cases)}: --limit N shows more, filters show others")
        return 0

    return operate(args, work)


def _filter_of(args: argparse.Namespace) -> "CaseFilter":
    from itop_bridge.journal.inquiry import CaseFilter  # noqa: PLC0415 - heavy

    return CaseFilter(route=args.route, organization=args.organization, state=args.state, since=args.since)


async def _fetch(door: "Door", wanted: "CaseFilter", most: int) -> tuple[list[dict[str, Any]], bool]:
    """Page by page; and whether there are more."""
    import dataclasses  # noqa: PLC0415 - not needed for `--help`

    from itop_bridge.control.request import ListCases  # noqa: PLC0415 - heavy

    cases: list[dict[str, Any]] = []
    while True:
        size = min(_PAGE, most + 1 - len(cases))
        page = (await door.ask(ListCases(dataclasses.replace(wanted, limit=size))))["cases"]
        cases += page
        if len(page) < size or len(cases) > most:
            return cases[:most], len(cases) > most
        wanted = dataclasses.replace(wanted, after=cases[-1]["id"])


def _row(case: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **case,
        "case": case["digest"],
        "incident": case["ref"] or case["incident"],
        "opened": format_moment(case["opened"]),
        "oldest": format_moment(case["oldest"]),
    }


def run_show(args: argparse.Namespace) -> int:
    """Print a case with its life."""

    from itop_bridge.control.request import ShowCase  # noqa: PLC0415 - heavy

    return answer(args, ShowCase(args.case), describe_case)


def describe_case(case: Mapping[str, Any]) -> list[str]:
    """The case and its life, as lines, the oldest step first. Pure."""
    facts = [
        ("state", f"parked: {case['parked']}" if case["parked"] else case["state"]),
        ("incident", case["ref"] or case["incident"]),
        ("organization", case["organization"]),
        ("route", case["route"]),
        ("key", case["key"]),
        ("opened", format_moment(case["opened"])),
        ("due", "now" if case["due"] == 0 else format_moment(case["due"])),
        ("failures", case["failures"] or None),
        ("log entries", case["entries"]),
        ("firing", format_count(case["firing"], "alert")),
        ("intents", ", ".join(_describe_count(count) for count in case["counts"])),
    ]
    steps = sorted(_follow(case), key=lambda step: step[0])
    alerts = [(alert["received"], alert["state"], alert["id"]) for alert in case["alerts"]]
    return [
        f"case {case['digest']}",
        *draw_facts(facts),
        *(["alerts that fire or wait", *draw_steps(alerts)] if alerts else []),
        "life",
        *draw_steps(steps),
    ]


def _describe_count(count: Mapping[str, Any]) -> str:
    return " ".join(str(each) for each in (count["count"], count["state"], count["reason"]) if each is not None)


def _follow(case: Mapping[str, Any]) -> Iterator[tuple[float, str, str]]:
    yield case["opened"], "opened", ""
    for intent in case["intents"]:
        outcome = " ".join(filter(None, (intent["state"], intent["reason"])))
        place = f"event {intent['event_id']}/{intent['idx']}"
        yield intent["received"], intent["kind"], f"{outcome}: {intent['title']} (id {intent['alert_id']}, {place})"
    for attempt in case["attempts"]:
        yield attempt["sent"], "sent", describe_attempt(attempt)
    for letter in case["letters"]:
        yield letter["at"], "dead letter", f"{letter['id']} {letter['state']}, {letter['reason']}: {letter['detail']}"


def run_resolve(args: argparse.Namespace) -> int:
    """Resolve; asks first, after it has told how many."""
    from itop_bridge.control.request import ResolveCases  # noqa: PLC0415 - heavy

    check_may_change(args)
    if not args.dry_run and not args.yes:
        found = count_found(args, ResolveCases(args.route, args.since, dry_run=True))
        if found and not confirm(args, f"Resolve {format_count(found, 'case')} of the route {escape(args.route)}?"):
            tell("nothing was done")
            return 1

    request = ResolveCases(args.route, args.since, dry_run=args.dry_run, wait=not args.no_wait)
    return answer(args, request, lambda told: [summarise_resolve(told, dry_run=args.dry_run)])


def summarise_resolve(told: Mapping[str, Any], *, dry_run: bool) -> str:
    """What was done, and what is still owed to iTop. Pure."""
    if not told["found"]:
        return "no open incident to resolve"
    if dry_run:
        return f"would resolve {format_count(told['found'], 'case')}"
    head = f"asked for the resolution of {format_count(told['changed'], 'case')}"
    if not told["running"]:
        return f"{head}: taken up when the daemon starts"
    return f"{head}: {told['changed'] - told['owed']} settled, {told['owed']} still owed to iTop"
