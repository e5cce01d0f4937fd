"""`itop-bridge dead-letters`: what needs a person: listed, shown, tried again, given up."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.control import (
    add_operator_options,
    answer,
    check_may_change,
    confirm,
    count_found,
    operate,
    read_count,
    read_duration,
    say_json,
    tell,
)
from itop_bridge.cli.sheet import draw_facts, format_count, format_moment, quote, shorten
from itop_bridge.command.output import show_rows
from itop_bridge.errors import UsageError

if TYPE_CHECKING:
    from itop_bridge.control.door import Door
    from itop_bridge.journal.inquiry import LetterFilter

STATES = ("open", "retrying", "retried", "dropped", "all")
_COLUMNS = ("id", "time", "state", "route", "reason", "of", "detail")
_PAGE = 500


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("dead-letters", help="what needs a person: list, show, retry, drop")
    verbs = parser.add_subparsers(title="what to do", metavar="VERB", required=True)
    _add_list(verbs)
    _add_show(verbs)
    _add_retry(verbs)
    _add_drop(verbs)


def _add_list(verbs: Any) -> None:
    parser = verbs.add_parser(
        "list",
        help="list dead letters, the oldest first",
        epilog="Example: itop-bridge dead-letters list --journal /var/lib/itop-bridge/journal.db --older 1h",
    )
    _add_filters(parser)
    parser.add_argument("--state", choices=STATES, default="open", help="what became of them (%(default)s)")
    parser.add_argument("--limit", type=read_count, default=200, metavar="N", help="at most so many (%(default)s)")
    add_operator_options(parser, json=True)
    parser.set_defaults(run=run_list)


def _add_show(verbs: Any) -> None:
    parser = verbs.add_parser(
        "show",
        help="show one, with the head of its payload",
        epilog="Example: itop-bridge dead-letters show 12 --config itop-bridge.yaml",
    )
    parser.add_argument("id", type=read_count, metavar="ID", help="of a dead letter")
    add_operator_options(parser, json=True)
    parser.set_defaults(run=run_show)


def _add_retry(verbs: Any) -> None:
    parser = verbs.add_parser(
        "retry",
        help="try them again, with the configuration of now",
        description="Try dead letters again: elements of events are mapped once more, parked cases get their turn.",
        epilog="Example: itop-bridge dead-letters retry --all --reason no_route --config itop-bridge.yaml",
    )
    _add_choice(parser)
    parser.add_argument("--dry-run", action="store_true", default=argparse.SUPPRESS, help="only count them")
    add_operator_options(parser, json=True)
    parser.set_defaults(run=run_retry)


def _add_drop(verbs: Any) -> None:
    parser = verbs.add_parser(
        "drop",
        help="give them up; they stay listed as dropped",
        epilog="Example: itop-bridge dead-letters drop 12 13 --config itop-bridge.yaml",
    )
    _add_choice(parser)
    parser.add_argument("--dry-run", action="store_true", default=argparse.SUPPRESS, help="only count them")
    parser.add_argument("--yes", action="store_true", help="do not ask (--all asks)")
    add_operator_options(parser, json=True)
    parser.set_defaults(run=run_drop)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", type=read_count, nargs="*", metavar="ID", help="of dead letters")
    parser.add_argument("--all", action="store_true", help="all open ones, or those that the filters leave")
    _add_filters(parser)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--route", metavar="NAME", help="of this route")
    parser.add_argument("--reason", metavar="WORD", help="for this reason, as no_route")
    parser.add_argument("--older", type=read_duration, metavar="AGE", help="dead for longer than this, as 1h")
    parser.add_argument("--newer", type=read_duration, metavar="AGE", help="dead for less than this, as 1d")


def run_list(args: argparse.Namespace) -> int:
    """Print the dead letters that the filters leave."""

    async def work(door: "Door") -> int:
        letters, total = await _fetch(door, _filter_of(args, state=args.state), args.limit)
        if args.json:
            say_json(*letters)
        else:
            show_rows([_row(letter) for letter in letters], _COLUMNS, how=args.output_format)
        if len(letters) < total:
            tell(f"{len(letters)} of {total}: --limit N shows more, filters show others")
        return 0

    return operate(args, work)


async def _fetch(door: "Door", wanted: "LetterFilter", most: int) -> tuple[list[dict[str, Any]], int]:
    """Page by page, so that no answer is large."""
    import dataclasses  # noqa: PLC0415 - not needed for `--help`

    from itop_bridge.control.request import ListLetters  # noqa: PLC0415 - heavy

    letters: list[dict[str, Any]] = []
    while True:
        size = min(_PAGE, most - len(letters))
        answer = await door.ask(ListLetters(dataclasses.replace(wanted, limit=size)))
        letters += answer["letters"]
        if len(answer["letters"]) < size or len(letters) >= most:
            return letters, max(answer["total"], len(letters))
        wanted = dataclasses.replace(wanted, after=letters[-1]["id"])


def _row(letter: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **letter,
        "time": format_moment(letter["at"]),
        "of": _describe_source(letter),
        "detail": shorten(letter["detail"]),
    }


def _describe_source(letter: Mapping[str, Any]) -> str:
    if letter["event_id"] is not None:
        return f"event {letter['event_id']}/{letter['idx']}"
    return f"case {letter['case'] or letter['case_id']}"


def run_show(args: argparse.Namespace) -> int:
    """Print all that is known of one dead letter."""

    from itop_bridge.control.request import ShowLetter  # noqa: PLC0415 - heavy

    return answer(args, ShowLetter(args.id), describe_letter)


def describe_letter(letter: Mapping[str, Any]) -> list[str]:
    """A dead letter as lines. Pure."""
    known = letter["event_id"] is not None
    facts = [
        ("state", " ".join(filter(None, [letter["state"], format_moment(letter["settled"])]))),
        ("reason", letter["reason"]),
        ("field", letter["field"]),
        ("detail", letter["detail"]),
        ("time", format_moment(letter["at"])),
        ("route", letter["route"]),
        ("topic", letter["topic"]),
        ("event", f"{letter['event_id']}, element {letter['idx']}" if known else None),
        ("case", letter["case"]),
        ("payload", _describe_size(letter)),
    ]
    payload = letter.get("payload")
    return [f"dead letter {letter['id']}", *draw_facts(facts), *(quote(payload) if payload else [])]


def _describe_size(letter: Mapping[str, Any]) -> str | None:
    if letter.get("size") is None:
        return None
    return f"{letter['size']} bytes{'' if letter.get('payload') is not None else ', no longer kept'}"


def run_retry(args: argparse.Namespace) -> int:
    """Try them again, and tell what became of them."""
    from itop_bridge.control.request import RetryLetters  # noqa: PLC0415 - heavy

    check_may_change(args)
    request = RetryLetters(_choice_of(args), dry_run=args.dry_run)
    return answer(args, request, lambda told: [summarise_retry(told, dry_run=args.dry_run)])


def summarise_retry(told: Mapping[str, Any], *, dry_run: bool) -> str:
    """`retried 1200: 1190 landed, 3 dropped, 7 dead again`. Pure."""
    if dry_run or not told["changed"]:
        return _summarise_none(told, "retry", dry_run=dry_run)
    head = f"retried {told['changed']}"
    if not told["running"]:
        return f"{head}: taken up when the daemon starts"
    words = {
        "landed": f"{told['landed']} landed",
        "dropped": f"{told['dropped']} dropped",
        "released": f"{format_count(told['released'], 'case')} tried again",
        "dead": f"{told['dead']} dead again",
        "retrying": f"{told['retrying']} not worked off yet",
    }
    return f"{head}: {', '.join(each for key, each in words.items() if told[key])}"


def run_drop(args: argparse.Namespace) -> int:
    """Give them up; `--all` asks first."""
    from itop_bridge.control.request import DropLetters  # noqa: PLC0415 - heavy

    check_may_change(args)
    wanted = _choice_of(args)
    if args.all and not args.dry_run and not args.yes:
        found = count_found(args, DropLetters(wanted, dry_run=True))
        if found and not confirm(args, f"Drop {format_count(found, 'dead letter')}?"):
            tell("nothing was done")
            return 1

    request = DropLetters(wanted, dry_run=args.dry_run)
    return answer(args, request, lambda told: [_summarise_drop(told, dry_run=args.dry_run)])


def _summarise_drop(told: Mapping[str, Any], *, dry_run: bool) -> str:
    if dry_run or not told["changed"]:
        return _summarise_none(told, "drop", dry_run=dry_run)
    return f"dropped {told['changed']}"


def _summarise_none(told: Mapping[str, Any], verb: str, *, dry_run: bool) -> str:
    if dry_run and told["found"]:
        return f"would {verb} {format_count(told['found'], 'dead letter')}"
    if verb == "retry" and told["found"]:
        number = format_count(told["found"], "dead letter")
        return f"{number} cannot be retried: what was written then is no longer known. Drop it"
    return f"no open dead letter to {verb}"


def _choice_of(args: argparse.Namespace) -> "LetterFilter":
    """The ones that are named, or all that the filters leave: never all by an oversight."""
    filters: Sequence[Any] = (args.route, args.reason, args.older, args.newer)
    filtered = any(each is not None for each in filters)
    if args.ids and (args.all or filtered):
        raise UsageError("either ids, or --all with its filters")
    if not args.ids and not args.all:
        raise UsageError("which ones? Give ids, or --all" + (" with the filters" if filtered else ""))
    return _filter_of(args, ids=tuple(args.ids) or None)


def _filter_of(args: argparse.Namespace, **others: Any) -> "LetterFilter":
    from itop_bridge.journal.inquiry import LetterFilter  # noqa: PLC0415 - heavy

    return LetterFilter(
        route=args.route, reason=args.reason, older_than_s=args.older, newer_than_s=args.newer, **others
    )
