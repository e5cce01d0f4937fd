"""XML, strict: one document, as objects such as JSON has. No DOCTYPE, hence no entities but the predefined."""

from typing import Any
from xml.parsers import expat

from itop_bridge.errors import ElementError

_BLANK = b" \t\r\n\v\f\0"
_BOM = b"\xef\xbb\xbf"
_DEEPEST = 1_024


def decode_xml(payload: bytes) -> list[Any | ElementError]:
    """The document, `{root: …}`; a list of one, never raises.

    An element is an object of its attributes (`@name`), its children by name (an array where there are several) and its
    text (`#text`); one that has only text is that text. Comments and instructions say nothing.
    Reasons: empty_payload, invalid_encoding (whatever the document declares, it must be UTF-8), invalid_xml, too_deep
    (over 1,024 levels).
    """
    body = payload.strip(_BLANK).removeprefix(_BOM).strip(_BLANK)
    if not body:
        return [ElementError("empty_payload", "no bytes, or only white space")]
    try:
        body.decode()
    except UnicodeDecodeError:
        return [ElementError("invalid_encoding", "the payload is not UTF-8")]
    try:
        return [_parse(body)]
    except ElementError as error:
        return [error]
    except expat.ExpatError as error:
        return [ElementError("invalid_xml", str(error))]


def _parse(body: bytes) -> dict[str, Any]:
    builder = _Builder()
    parser = expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = builder.refuse_doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.add_text
    parser.Parse(body, True)
    return builder.document


class _Builder:
    """Puts the document together, element by element."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self._open = [self.document]
        self._texts: list[list[str]] = [[]]

    def refuse_doctype(self, *_: Any) -> None:
        raise ElementError("invalid_xml", "a DOCTYPE is not allowed")

    def start(self, _name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > _DEEPEST:
            raise ElementError("too_deep", "more than 1,024 levels")
        self._open.append({f"@{key}": value for key, value in attributes.items()})
        self._texts.append([])

    def add_text(self, text: str) -> None:
        self._texts[-1].append(text)

    def end(self, name: str) -> None:
        element, text = self._open.pop(), "".join(self._texts.pop()).strip()
        if element and text:
            element["#text"] = text
        value, parent = element or text, self._open[-1]
        if name not in parent:
            parent[name] = value
        elif type(parent[name]) is list:
            parent[name].append(value)
        else:
            parent[name] = [parent[name], value]
