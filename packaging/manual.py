"""The manual pages: itop-bridge(1) from the parsers, itop-bridge.yaml(5) from the schema, itop-bridge(8) as written.

python packaging/manual.py FOLDER     writes the three pages; needs the program's own environment

Of itop-bridge(8) the packaging keeps all but the head, which has the version: man/itop-bridge.8.in.
"""

# ruff: noqa: SLF001 - of its options and commands argparse tells nowhere else
import argparse
import os
import re
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

try:
    from itop_bridge import __version__
    from itop_bridge.cli.main import build_parser
    from itop_bridge.settings.load import settings_schema
except ModuleNotFoundError as error:
    sys.exit(f"packaging/manual.py: {error}: run it with the Python that itop-bridge is installed for")

WRITTEN = Path(__file__).parent / "man"

_EXIT_CODES = (
    ("0", "Done."),
    ("1", "Failed; one line on standard error says what to do. `status` gives it unless the daemon runs and is ready."),
    ("2", "Wrong usage."),
    ("78", "The configuration, or the journal's file, is not usable. systemd does not restart the service on it."),
    ("130", "Interrupted."),
)
_ENVIRONMENT = (
    ("STATE_DIRECTORY", "Where a relative `journal.path` is; the service's is /var/lib/itop-bridge."),
    ("CREDENTIALS_DIRECTORY", "Where `{file: NAME}` in the configuration is looked for first; systemd sets it."),
)


def main() -> None:
    """Write the pages into the folder that is named."""
    parser = argparse.ArgumentParser(prog="packaging/manual.py", description="Write the manual pages.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to; it is made if need be")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in write_pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def write_pages() -> dict[str, str]:
    """The pages by their file names."""
    body = (WRITTEN / "itop-bridge.8.in").read_text(encoding="utf-8")
    return {
        "itop-bridge.1": "\n".join(_describe_commands(build_parser())) + "\n",
        "itop-bridge.yaml.5": "\n".join(_describe_settings(settings_schema())) + "\n",
        "itop-bridge.8": _head("itop-bridge", 8) + body,
    }


def _head(name: str, section: int) -> str:
    # the day of the sources, where it is known, so that the same tree makes the same page
    day = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    return f'.TH {name.upper()} {section} {day} "itop-bridge {__version__}"\n'


# roff


def _plain(text: str) -> str:
    """Text as text: nothing in it is a request or an escape."""
    return text.translate({92: r"\e", 45: r"\-", 126: r"\(ti", 94: r"\(ha", 39: r"\(aq"})


def _prose(text: str) -> str:
    """Text with `code` in bold, as a paragraph."""
    parts = _plain(" ".join(text.split())).split("`")
    bold = "".join(rf"\fB{part}\fR" if place % 2 else part for place, part in enumerate(parts))
    lines = textwrap.wrap(bold, 74, break_long_words=False, break_on_hyphens=False)
    return "\n".join(rf"\&{line}" if line[0] in ".'" else line for line in lines)


def _tagged(tag: str, text: str) -> Iterator[str]:
    yield ".TP"
    yield tag
    yield _prose(text) or r"\&"


def _bold(text: str) -> str:
    return rf"\fB{_plain(text)}\fR"


# the commands


def _describe_commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield _head("itop-bridge", 1).rstrip()
    yield ".SH NAME"
    yield r"itop\-bridge \- from SIEM alerts on MQTT to incidents in iTop: the commands"
    yield ".SH SYNOPSIS"
    yield r".B itop\-bridge"
    yield r"[\fIoption\fR ...] \fIcommand\fR [\fIargument\fR ...]"
    yield ".SH DESCRIPTION"
    yield _prose(parser.description or "")
    yield r"How it runs as a service: \fBitop\-bridge\fR(8)."
    yield ".SH OPTIONS"
    yield "They stand before the command or after it."
    yield from _describe_options(parser)
    yield ".SH COMMANDS"
    for name, command, told in _commands_of(parser):
        yield from _describe_command(name, command, told)
    yield ".SH EXIT STATUS"
    for code, meaning in _EXIT_CODES:
        yield from _tagged(_bold(code), meaning)
    yield ".SH ENVIRONMENT"
    for variable, meaning in _ENVIRONMENT:
        yield from _tagged(_bold(variable), meaning)
    yield ".SH SEE ALSO"
    yield r".BR itop\-bridge.yaml (5),"
    yield r".BR itop\-bridge (8)"


def _commands_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Name, parser and help of each command of a parser; of a command with verbs, of each verb after it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                yield choice.dest, action.choices[choice.dest], choice.help or ""
                for verb, command, told in _commands_of(action.choices[choice.dest]):
                    yield f"{choice.dest} {verb}", command, told


def _describe_command(name: str, command: argparse.ArgumentParser, told: str) -> Iterator[str]:
    formatter = _Wide(prog=f"itop-bridge {name}")
    formatter.add_usage(command.usage, command._actions, command._mutually_exclusive_groups, "")
    yield f".SS {_plain(name)}"
    yield ".nh"
    yield ".ad l"
    yield _prose(formatter.format_help())
    yield ".ad b"
    yield ".hy"
    yield ".PP"
    told = command.description or told
    yield _prose(told[:1].upper() + told[1:].removesuffix(".") + ".")
    yield from _describe_options(command)
    if command.epilog:
        yield ".PP"
        yield _prose(command.epilog)


def _describe_options(parser: argparse.ArgumentParser) -> Iterator[str]:
    formatter = _Wide(prog=parser.prog)
    for action in parser._actions:
        if action.help != argparse.SUPPRESS and not isinstance(
            action, argparse._SubParsersAction | argparse._HelpAction
        ):
            told = formatter._expand_help(action) if action.help else ""
            yield from _tagged(_bold(formatter._format_action_invocation(action)), told)


class _Wide(argparse.HelpFormatter):
    """Breaks no line: the page's reader does."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=10_000)


# the configuration


def _describe_settings(schema: Mapping[str, Any]) -> Iterator[str]:
    sections = schema["$defs"]
    yield _head("itop-bridge.yaml", 5).rstrip()
    yield ".SH NAME"
    yield r"itop\-bridge.yaml \- the configuration of itop\-bridge"
    yield ".SH SYNOPSIS"
    yield r"/etc/itop\-bridge/itop\-bridge.yaml"
    yield ".SH DESCRIPTION"
    yield _prose(
        "One YAML file, which holds no secrets: `{file: NAME}` and `{env: NAME}` name them. Durations have units"
        " (`30s`, `5m`, `7d`), rates too (`10/s`, `600/m`), sizes too (`32MiB`). `itop-bridge check` tells every"
        " mistake with its line; `itop-bridge schema` prints a JSON Schema for editors."
    )
    for key, property_ in schema["properties"].items():
        yield f".SH {_plain(key.upper())}"
        told = property_.get("description", "")
        yield _prose(told)
        name = _section_of(property_)
        if name:
            yield from _describe_keys(sections[name], sections, key)
    yield ".SH SEE ALSO"
    yield r".BR itop\-bridge (1),"
    yield r".BR itop\-bridge (8)"


def _section_of(schema: Mapping[str, Any]) -> str | None:
    """The name of the section that a key holds, by itself, as an alternative, or in a list."""
    found = re.search(r"#/\$defs/(\w+)", str(schema))
    return found[1] if found else None


def _describe_keys(section: Mapping[str, Any], sections: Mapping[str, Any], path: str) -> Iterator[str]:
    required = section.get("required", ())
    for key, schema in section["properties"].items():
        default = schema.get("default")
        usual = "" if default in (None, "", {}, []) or "$ref" in schema else f"(`{_in_yaml(default)}`)"
        must = "(required)" if key in required else usual
        yield from _tagged(f"{_bold(f'{path}.{key}')} {_prose(must)}".rstrip(), schema.get("description", ""))
        name = _section_of(schema)
        if name:
            yield from _describe_keys(sections[name], sections, f"{path}.{key}")


def _in_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()
