"""HTML as iTop stores it: parsed leniently as libxml2 does, cleaned by a list, written out again. Pure.

Transcripts 146-154 and 456-499. Not a sanitiser to rely on: it imitates one.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_DOCTYPE = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.0 Transitional//EN" "http://www.w3.org/TR/REC-html40/loose.dtd">\n'
    '<?xml encoding="UTF-8"?>'
)
_VOID = frozenset({"br", "hr", "img", "input", "col"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS = _HEADINGS | {"p", "div", "ul", "ol", "table", "pre", "blockquote", "hr", "dl", "figure"}
_DEEPEST = 200  # libxml2 gives up at 256
_IN_HEAD = frozenset({"script", "style", "meta", "link", "title"})
_STRUCTURE = frozenset({"html", "head", "body"})
_CLOSED_BY = {  # a start tag ends these, up to the boundary
    "li": ({"li"}, {"ul", "ol"}),
    "tr": ({"td", "th", "tr"}, {"table"}),
    "td": ({"td", "th"}, {"tr", "table"}),
    "th": ({"td", "th"}, {"tr", "table"}),
    "tbody": ({"td", "th", "tr", "thead", "tbody"}, {"table"}),
}
_COMMON = frozenset({"class", "style"})
_ALLOWED: dict[str, frozenset[str]] = {
    **dict.fromkeys((*_HEADINGS, "p", "pre", "code", "div", "span", "ul", "ol", "li", "hr", "blockquote"), _COMMON),
    **{
        tag: frozenset()
        for tag in ("br", "b", "i", "u", "em", "strong", "s", "del", "sub", "sup", "small", "q", "cite")
    },
    **dict.fromkeys(("tbody", "thead", "tfoot", "dl", "dt", "dd", "figure", "figcaption", "mark"), _COMMON),
    "a": _COMMON | {"href", "name", "target", "title"},
    "img": _COMMON | {"src", "alt", "title", "width", "height"},
    "font": _COMMON | {"face", "color", "size"},
    "table": _COMMON | {"width", "summary", "align", "border", "cellpadding", "cellspacing"},
    "tr": _COMMON | {"align", "valign", "bgcolor"},
    "td": _COMMON | {"width", "colspan", "rowspan", "align", "valign", "bgcolor"},
    "th": _COMMON | {"width", "colspan", "rowspan", "align", "valign", "bgcolor"},
}
_STYLES = frozenset({"color", "background-color", "border", "border-collapse", "float", "font", "font-style", "height"})
_STYLES |= {"width", "margin", "padding", "text-align", "vertical-align", "list-style"}
_LINK = re.compile(r"(?i)(https?|ftp|mailto|tel):|#|/")
_SOURCE = re.compile(r"(?i)https?://|data:image/")
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f]")
_ENTITY = re.compile(r"&(#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);")  # without the semicolon it is text
_PIECE = re.compile(
    r"<!--(?P<comment>.*?)(?:-->|\Z)"
    r"|<[!?](?P<declaration>[^>]*)>?"
    r"|</(?P<end>[a-zA-Z][\w:.-]*)[^>]*>?"
    r"|<(?P<start>[a-zA-Z_:][\w:.-]*)(?P<attributes>(?:\"[^\"]*\"|'[^']*'|[^>\"'])*)(?P<closed>>?)"
    r"|(?P<text>[^<]+|<)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"(?P<name>[a-zA-Z_:][\w:.-]*)(?:\s*=\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s>]*)))?|[^\s]+"
)


@dataclass(slots=True)
class _Element:
    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["_Element | str"] = field(default_factory=list)


def sanitize(text: str) -> str:
    """The text as iTop would store it in an HTML field; "" stays empty."""
    if text == "":
        return ""
    builder = _parse(text)
    if builder.has_body:
        return "".join(_write(child) for child in builder.body.children)
    return f"{_DOCTYPE}<html></html>\n" if builder.has_head else f"{_DOCTYPE}\n"


def sanitize_entry(text: str) -> str:
    """The same for a log entry, which is just empty where nothing is left."""
    builder = _parse(text)
    return "".join(_write(child) for child in builder.body.children)


def render_text(markup: str) -> str:
    """A log entry's HTML as text: blocks become lines, links and items are marked (transcripts 159-162, 493-499)."""
    text = "".join(_read(child, keep=False) for child in _parse(markup).body.children)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" *\n *", "\n", text) if "<pre" not in markup else text).strip()


class _Builder:
    """Puts pieces together as a tree, closing what HTML lets an author leave open."""

    def __init__(self) -> None:
        self.body = _Element("body")
        self.has_body = False
        self.has_head = False
        self._stack = [self.body]

    def text(self, text: str) -> None:
        if not self.has_body:
            text = text.lstrip(" \t\r\n")
            if not text:
                return
            self.start("p", {})  # leading bare text gets a paragraph
        self._stack[-1].children.append(text)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in _STRUCTURE:
            self.has_body = self.has_body or tag == "body"
            return
        if tag in _IN_HEAD and not self.has_body:
            self.has_head = True
        else:
            self.has_body = True
        if tag in _BLOCKS:
            self._close_until({"p"}, {"td", "th", "li", "div", "blockquote"})
        closed, boundary = _CLOSED_BY.get(tag, (set(), set()))
        while self._close_until(closed, boundary):
            pass
        if len(self._stack) > _DEEPEST:
            return
        element = _Element(tag, attributes)
        self._stack[-1].children.append(element)
        if tag not in _VOID:
            self._stack.append(element)

    def end(self, tag: str) -> None:
        self._close_until({tag}, set())

    def _close_until(self, tags: set[str], boundary: set[str]) -> bool:
        """Close the innermost open element of `tags`, unless one of `boundary` lies in between."""
        for depth in range(len(self._stack) - 1, 0, -1):
            if self._stack[depth].tag in tags:
                del self._stack[depth:]
                return True
            if self._stack[depth].tag in boundary:
                return False
        return False


def _parse(text: str) -> _Builder:
    builder = _Builder()
    text = _CONTROL.sub("", text.replace("\0", " "))
    position = 0
    while position < len(text):
        match = _PIECE.match(text, position)
        if match is None:
            break
        position = match.end()
        if match["text"] is not None:
            builder.text(_decode(match["text"]))
        elif match["end"]:
            builder.end(match["end"].lower())
        elif match["start"]:
            if not match["closed"]:
                break  # a tag without an end swallows the rest
            tag = match["start"].lower()
            builder.start(tag, dict(_parse_attributes(match["attributes"])))
            if tag in ("script", "style"):  # their content is no markup
                end = re.compile(rf"</{tag}", re.IGNORECASE).search(text, position)
                position = end.start() if end else len(text)
    return builder


def _parse_attributes(text: str) -> Iterator[tuple[str, str]]:
    for match in _ATTRIBUTE.finditer(text):
        if match["name"]:
            value = next((match[kind] for kind in ("double", "single", "bare") if match[kind] is not None), "")
            yield match["name"].lower(), _decode(value)


def _decode(text: str) -> str:
    return _ENTITY.sub(_decode_entity, text)


def _decode_entity(match: re.Match[str]) -> str:
    return html.unescape(match.group())


def _write(node: "_Element | str") -> str:
    """The node as libxml2 serialises it; what is not allowed goes with all that is inside."""
    if isinstance(node, str):
        return html.escape(node, quote=False)
    if node.tag not in _ALLOWED:
        return ""
    attributes = "".join(f' {name}="{html.escape(value)}"' for name, value in _clean(node))
    if node.tag in _VOID:
        return f"<{node.tag}{attributes}>"
    return f"<{node.tag}{attributes}>{''.join(_write(child) for child in node.children)}</{node.tag}>"


def _clean(node: _Element) -> Iterator[tuple[str, str]]:
    for name, given in node.attributes.items():
        if name not in _ALLOWED[node.tag]:
            continue
        value = _clean_style(given) if name == "style" else given
        if name == "style" and not value:
            continue
        if name == "href" and not _LINK.match(value):
            continue
        if name == "src" and not _SOURCE.match(value):
            continue
        yield name, value


def _clean_style(style: str) -> str:
    rules = [rule.strip() for rule in style.split(";") if rule.strip()]
    return ";".join(rule for rule in rules if rule.partition(":")[0].strip().lower() in _STYLES)


def _read(node: "_Element | str", *, keep: bool) -> str:
    """The node as text; `keep` blanks inside <pre>."""
    if isinstance(node, str):
        return node if keep else re.sub(r"[ \t\r\n]+", " ", node)
    inside = "".join(_read(child, keep=keep or node.tag == "pre") for child in node.children)
    match node.tag:
        case "br":
            return "\n"
        case "li":
            return f"- {inside.strip()}\n"
        case "a" if node.attributes.get("href"):
            return f"[{inside}]({node.attributes['href']})"
        case "ul" | "ol" | "tr":
            return f"{inside.rstrip()}\n"
    return f"{inside}\n\n" if node.tag in _BLOCKS else inside
