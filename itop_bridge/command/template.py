"""The description of an incident from a Jinja2 template and the variables that were handed in. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import jinja2
from jinja2 import meta, nodes

from itop_bridge.command.text import cut_title
from itop_bridge.errors import ExpressionError, UsageError
from itop_bridge.expression import compile_text

_MOST_BYTES = 60_000
"""iTop holds 65,535, of which its sanitising may take some (transcripts 176-184)."""
_MOST_TITLE_CHARS = 5_000
_UNBOUND_CHARS = 5_000_000


@dataclass(frozen=True, slots=True)
class Description:
    """HTML that fits into iTop's field, and what there is to say about it."""

    html: str
    remarks: tuple[str, ...] = ()


def load_template(path: Path) -> str:
    """Raises UsageError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise UsageError(f"the template {path} cannot be read: {reason}") from error


def describe_incident(source: str, variables: Mapping[str, str], *, title: str, urgency: int) -> Description:
    """Render a template, values escaped. Beside `variables` it sees `title` and `urgency`.

    A title that is too long for iTop's field stands whole above it. Raises UsageError, which names the variables that
    are missing; a variable may be missing where the template says `is defined` or `default` of it.
    """
    wanted, optional = _find_names(source)
    own = {"title": title, "urgency": str(urgency)}
    known = {**own, **variables}
    if missing := sorted(wanted - optional - known.keys()):
        raise UsageError(f"the template wants {', '.join(missing)}: give {_given(missing)} with --vars")
    remarks = [f"the template does not use {', '.join(unused)}"] if (unused := sorted({*variables} - wanted)) else []
    head = _whole_title(title)
    if head:
        remarks.append("the title is too long for iTop: it was shortened, and stands whole in the description")
    html, is_cut = _render(source, known, wanted | known.keys(), _MOST_BYTES - len(head.encode("utf-8", "replace")))
    if is_cut:
        remarks.append("the description is too long for iTop: its values were cut short")
    return Description(head + html, tuple(remarks))


def _given(names: list[str]) -> str:
    return " ".join(f"{name}:…" for name in names)


def _whole_title(title: str) -> str:
    line = " ".join(title.split())
    if cut_title(title) == line:
        return ""
    return f"<p>{escape(line[:_MOST_TITLE_CHARS])}{'…' * (len(line) > _MOST_TITLE_CHARS)}</p>\n"


def _find_names(source: str) -> tuple[set[str], set[str]]:
    """The variables of a template, and those of them that may be missing."""
    try:
        tree = jinja2.Environment(autoescape=True).parse(source)
        wanted = meta.find_undeclared_variables(tree)
    except (jinja2.TemplateError, RecursionError) as error:
        raise UsageError(f"the template is not usable: {error}") from error
    excused = {
        each.node.name
        for each in tree.find_all((nodes.Filter, nodes.Test))
        if isinstance(each, nodes.Filter | nodes.Test)
        and isinstance(each.node, nodes.Name)
        and each.name in ("default", "defined", "undefined", "none")
    }
    return wanted, excused


def _render(source: str, scene: Mapping[str, str], names: set[str], most_bytes: int) -> tuple[str, bool]:
    """The HTML, and whether it was cut to fit."""
    whole = _compile(source, names, _UNBOUND_CHARS)(scene)
    size = len(whole.encode("utf-8", "replace"))
    if size <= most_bytes:
        return whole, False
    most_chars = most_bytes * len(whole) // size
    while most_chars > len(source):
        html = _compile(source, names, most_chars)(scene)
        if len(html.encode("utf-8", "replace")) <= most_bytes:
            return html, True
        most_chars = most_chars * 3 // 4
    raise UsageError("the template itself is longer than iTop's description may be")


def _compile(source: str, names: set[str], most_chars: int) -> Callable[[Mapping[str, str]], str]:
    try:
        return compile_text(source, html=True, max_chars=most_chars, names=names)
    except ExpressionError as error:
        raise UsageError(f"the template is not usable: {error}") from error
