"""How payloads are written: a decoder per syntax, from bytes to values. Pure; a decoder never raises."""

from collections.abc import Callable, Mapping
from typing import Any

from itop_bridge.errors import ElementError
from itop_bridge.triage.syntax.json import decode_json

Decode = Callable[[bytes], list[Any | ElementError]]
"""The values of a payload in order, at least one; what cannot be decoded stands as its error."""

SYNTAXES: Mapping[str, Decode] = {"json": decode_json}
"""The decoders by the name that a format's `syntax` gives. NDJSON is JSON: several values, one after the other."""

__all__ = ["SYNTAXES", "Decode", "decode_json"]
