"""How payloads are written: a decoder per syntax, from bytes to values. Pure; a decoder never raises."""

from collections.abc import Callable, Mapping
from typing import Any

from itop_bridge.errors import ElementError
from itop_bridge.triage.syntax.cef import decode_cef
from itop_bridge.triage.syntax.json import decode_json
from itop_bridge.triage.syntax.key_value import decode_key_value
from itop_bridge.triage.syntax.leef import decode_leef
from itop_bridge.triage.syntax.xml import decode_xml

Decode = Callable[[bytes], list[Any | ElementError]]
"""The values of a payload in order, at least one; what cannot be decoded stands as its error."""

SYNTAXES: Mapping[str, Decode] = {
    "json": decode_json,
    "ndjson": decode_json,
    "xml": decode_xml,
    "cef": decode_cef,
    "leef": decode_leef,
    "key_value": decode_key_value,
}
"""The decoders by the name that a format's `syntax` gives. NDJSON is JSON: several values, one after the other."""

__all__ = ["SYNTAXES", "Decode", "decode_json"]
