"""`itop-bridge test`: what recorded alerts would come to, offline: nothing is sent, and nothing is written."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itop_bridge.cli.control import say, say_json, tell
from itop_bridge.cli.parser import add_config_option, add_global_options
from itop_bridge.command.output import escape
from itop_bridge.errors import UsageError

if TYPE_CHECKING:
    from itop_bridge.trial.sample import Sample
    from itop_bridge.trial.trial import Tried

Trial = Callable[["Sample"], "Tried"]

_AUTO = "auto"
_DIFFERS = 1


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "test",
        help="show what recorded alerts would come to, offline",
        description="Show what recorded alerts would come to: format, route and why, case, calls to iTop, texts."
        " Nothing is sent or written, and no secret is read. Without --config only how they are read.",
        epilog="Example: itop-bridge test -c itop-bridge.yaml alert.json",
    )
    parser.add_argument("samples", nargs="*", metavar="SAMPLE", help="a file with one payload; - is the standard input")
    parser.add_argument("--format", default=_AUTO, metavar="NAME", help="how it is written (auto: told by its shape)")
    parser.add_argument("--topic", metavar="TOPIC", help="the topic that it comes by (made from a route's)")
    parser.add_argument("--expect", type=Path, metavar="FILE", help="compare with what is expected (YAML or JSON)")
    parser.add_argument("--json", action="store_true", help="JSON: an object per sample, one a line")
    add_config_option(parser)
    add_global_options(parser, again=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what the samples come to; with `--expect` 1 if it is not what was expected. Raises BridgeError."""
    from itop_bridge.trial.expectation import compare, load_expectations  # noqa: PLC0415 - heavy
    from itop_bridge.trial.sample import load_samples  # noqa: PLC0415 - heavy
    from itop_bridge.trial.summary import summarise  # noqa: PLC0415 - heavy

    expectations = load_expectations(args.expect) if args.expect else []
    files = args.samples or [each.file for each in expectations]
    if not files:
        raise UsageError("which samples? Name files, or - for the standard input")
    samples = load_samples(files, sys.stdin.buffer)
    trial = _make_trial(args)
    summaries = []
    for sample in samples:
        tried = trial(sample)
        summary = summarise(tried)
        summaries.append(summary)
        if args.json:
            say_json(summary)
        elif not args.expect:
            _show(tried, summary)
    return _report(compare(expectations, summaries), len(expectations), quiet=args.json) if args.expect else 0


def _show(tried: "Tried", summary: Mapping[str, Any]) -> None:
    from itop_bridge.cli.trial_sheet import describe_tried  # noqa: PLC0415 - heavy

    say(*describe_tried(tried, summary), "")


def _report(differences: Sequence[str], count: int, *, quiet: bool) -> int:
    for difference in differences:
        tell(escape(difference))
    if not differences and not quiet:
        say(f"ok: {count} sample{'' if count == 1 else 's'} as expected")
    return _DIFFERS if differences else 0


def _make_trial(args: argparse.Namespace) -> Trial:
    """What is done with each sample: read it, or with a configuration map it as the daemon would."""
    from itop_bridge.trial.site import find_format, load_site  # noqa: PLC0415 - heavy
    from itop_bridge.trial.trial import try_format, try_routes  # noqa: PLC0415 - heavy

    now = time.time()
    if args.config is None:
        if args.topic is not None:
            raise UsageError("--topic needs --config: without it no route is asked")
        format_ = find_format(args.format)
        return lambda sample: try_format(sample, format_, now)
    site = load_site(args.config, args.format)
    if args.topic is not None:
        check_topic(args.topic)
    with_calls = not args.json and not args.expect  # which show none
    return lambda sample: try_routes(sample, site, args.topic, now, with_calls=with_calls)


def check_topic(topic: str) -> None:
    """Raises UsageError for what no alert can come by."""
    if not topic or set(topic) & set("+#{}\0"):
        raise UsageError(f"--topic must be the topic of a message, without wildcards or braces, not {topic!r}")
