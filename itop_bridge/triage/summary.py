"""What the formats are, as a table for people. Pure."""

from collections.abc import Iterable

from itop_bridge.triage.mapping import Format

_HEAD = ("format", "for", "syntax", "states: resolved by", "dropped as", "case (its `group_by`)")


def tabulate_formats(formats: Iterable[Format]) -> list[str]:
    """The lines of a Markdown table, a row per format in the order of their names."""
    rows = [_describe(form) for form in sorted(formats, key=lambda form: form.name)]
    return [f"| {' | '.join(row)} |" for row in (_HEAD, ["---"] * len(_HEAD), *rows)]


def _describe(form: Format) -> list[str]:
    return [
        f"`{form.name}`",
        form.about,
        f"`{form.syntax}`",
        _describe_states(form),
        _list(dict.fromkeys(reason for reason, _ in form.opening.drop)),
        _list(form.case),
    ]


def _describe_states(form: Format) -> str:
    """The words that resolve; alerts of a format without states never are."""
    if not form.states:
        return "none: one-shot"
    words = dict.fromkeys(
        word for each in form.states if not each.inverted for word in sorted(filter(None, each.resolved))
    )
    others = dict.fromkeys(
        word for each in form.states if each.inverted for word in sorted(filter(None, each.resolved))
    )
    return ", ".join(filter(None, (_list(words), f"all but {_list(others)}" if others else "")))


def _list(words: Iterable[str]) -> str:
    escaped = [word.replace("|", "\\|") for word in words]
    return ", ".join(f"`{word}`" for word in escaped)
