"""`itop-bridge show`: what is in use and what can be relied on: settings, schema, formats, log events, metrics."""

import argparse
from pathlib import Path
from typing import Any

from itop_bridge.cli.parser import add_config_option, config_of
from itop_bridge.errors import UsageError
from itop_bridge.spelling import suggest


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "show", help="show settings, their JSON Schema, formats, the log's events, or metrics"
    )
    subjects = parser.add_subparsers(title="subjects", metavar="SUBJECT", required=True)
    settings = subjects.add_parser("settings", help="the settings in effect, defaults filled in, secrets masked")
    add_config_option(settings)
    settings.set_defaults(run=show_settings)
    subjects.add_parser("schema", help="the JSON Schema of the configuration, for editors").set_defaults(
        run=show_schema
    )
    formats = subjects.add_parser("formats", help="the bundled formats as a table; with --config the site's own, too")
    add_config_option(formats)
    formats.set_defaults(run=show_formats)
    events = subjects.add_parser("events", help="the log's events and alarms, what they tell and what to do about them")
    events.add_argument("name", nargs="?", metavar="NAME", help="all about this event or alarm; by default a list")
    events.add_argument("--markdown", action="store_true", help="tables in Markdown, as docs/log-events.md has them")
    events.set_defaults(run=show_events)
    subjects.add_parser("metrics", help="the metrics of /metrics as a table").set_defaults(run=show_metrics)


def add_schema(subparsers: Any) -> None:
    """`itop-bridge schema`, short for `show schema`."""
    parser = subparsers.add_parser(
        "schema",
        help="print the JSON Schema of the configuration, for editors",
        description="Print the JSON Schema of the configuration. An editor finds it by the configuration's first line:"
        " # yaml-language-server: $schema=itop-bridge.schema.json",
        epilog="Example: itop-bridge schema > itop-bridge.schema.json",
    )
    parser.set_defaults(run=show_schema)


def show_settings(args: argparse.Namespace) -> int:
    """Print the settings in effect. Raises ConfigurationError."""
    import yaml  # noqa: PLC0415 - heavy

    from itop_bridge.settings.load import load_settings  # noqa: PLC0415 - heavy

    settings = load_settings(config_of(args)).settings.model_dump(mode="json", by_alias=True)
    _print(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).rstrip())
    return 0


def show_schema(_args: argparse.Namespace) -> int:
    """Print the JSON Schema."""
    import json  # noqa: PLC0415 - not needed by other commands

    from itop_bridge.settings.load import settings_schema  # noqa: PLC0415 - heavy

    _print(json.dumps(settings_schema(), indent=2))
    return 0


def show_formats(args: argparse.Namespace) -> int:
    """Print the formats as a Markdown table. Raises ConfigurationError."""
    from itop_bridge.bundled import bundled_folder  # noqa: PLC0415 - not needed by other commands
    from itop_bridge.settings.load import load_settings  # noqa: PLC0415 - heavy
    from itop_bridge.triage.format import load_formats  # noqa: PLC0415 - heavy
    from itop_bridge.triage.summary import tabulate_formats  # noqa: PLC0415 - heavy

    folders = [bundled_folder("config") / "formats"]
    if args.config is not None:
        folders += map(Path, load_settings(args.config).settings.formats)
    _print("\n".join(tabulate_formats(load_formats(folders).values())))
    return 0


def show_events(args: argparse.Namespace) -> int:
    """Print the catalogue of log events and alarms, or one entry of it. Raises UsageError if there is no such entry."""
    from itop_bridge.log import table  # noqa: PLC0415 - heavy
    from itop_bridge.log.catalogue import ALARMS, EVENTS  # noqa: PLC0415 - the same

    if args.markdown:
        tables = (table.tabulate_troubles(), table.tabulate_news(), table.tabulate_alarms())
        _print("\n\n".join("\n".join(lines) for lines in tables))
    elif args.name is None:
        _print("\n".join(table.list_entries()))
    else:
        try:
            lines = table.describe_entry(args.name)
        except KeyError:
            hint = suggest(args.name, (*EVENTS, *ALARMS), "; `itop-bridge show events` lists them")
            raise UsageError(f"there is no event or alarm {args.name!r}{hint}") from None
        _print("\n".join(lines))
    return 0


def show_metrics(_args: argparse.Namespace) -> int:
    """Print the catalogue of metrics as a Markdown table."""
    from itop_bridge.metric.catalogue import tabulate_metrics  # noqa: PLC0415 - not needed by other commands

    _print("\n".join(tabulate_metrics()))
    return 0


def _print(text: str) -> None:
    print(text)  # noqa: T201 - what the command is for
