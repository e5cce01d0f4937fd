"""IP addresses as alerts write them. Pure."""

import ipaddress
import re
from typing import Any

from itop_bridge.triage.value import read_scalar

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PLAIN = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_WITH_PORT = re.compile(r"(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?")
_LONGEST = 100
_INVALID = (None, ("address_invalid",))


def read_address(value: Any) -> tuple[str | None, tuple[str, ...]]:
    """One address in canonical text, and the notes on it.

    Ports and zones are removed, and of a comma list the first counts. What is no address, or the unspecified one, is
    absent and noted. Of an array the first that is an address counts.
    """
    if type(value) is list:
        return _read_members([member for member in value if type(member) is not list])
    text = read_scalar(value)
    if text is None:
        return None, ()
    if _PLAIN.fullmatch(text) and text != "0.0.0.0":  # noqa: S104 - not to listen on
        return text, ()
    return _parse(text.partition(",")[0].strip()) if len(text) <= _LONGEST or "," in text[:_LONGEST] else _INVALID


def _read_members(values: list[Any]) -> tuple[str | None, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    for value in values:
        address, more = read_address(value)
        notes = notes or more
        if address:
            return address, notes
    return None, notes


def _parse(text: str) -> tuple[str | None, tuple[str, ...]]:
    ported = _WITH_PORT.fullmatch(text)
    bare = (ported[1] or ported[2] or "") if ported else text
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return _INVALID
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped  # ::ffff:192.0.2.1 is the same machine
    return _INVALID if address.is_unspecified else (str(address), ())
