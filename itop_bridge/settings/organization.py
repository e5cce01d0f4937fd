"""Which iTop organisation a route's incidents belong to."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema


@dataclass(frozen=True, slots=True)
class Organization:
    """An organisation by its code, name or id. `text` may be a template: `{{ topic.org }}`."""

    kind: Literal["code", "name", "id"]
    text: str

    def __str__(self) -> str:
        """`code:EXC`: the form that cases are keyed by."""
        return f"{self.kind}:{self.text}"

    def __bool__(self) -> bool:
        return bool(self.text)


NO_ORGANIZATION = Organization("code", "")
"""None is named. A configuration that is loaded has no route with it."""


def parse_organization(value: Any) -> Organization:
    """`EXC`, {code: EXC}, {name: Demo}, {id: 3}. Raises ValueError."""
    if isinstance(value, Organization):
        return value
    match value if isinstance(value, dict) else {"code": value}:
        case {"id": int() as number, **other} if not isinstance(number, bool) and number > 0 and not other:
            return Organization("id", str(number))
        case {"code": str() as code, **other} if code.strip() and not other:
            return Organization("code", code.strip())
        case {"name": str() as name, **other} if name.strip() and not other:
            return Organization("name", name.strip())
    raise ValueError("must be an organisation's code (as text, in quotes if need be), {name: NAME} or {id: NUMBER}")


def _write(organization: Organization) -> Any:
    if organization.kind == "id":
        return {"id": int(organization.text)}
    return organization.text if organization.kind == "code" else {"name": organization.text}


_TEXT = {"type": "string", "minLength": 1}
_FORMS = [
    {"type": "object", "properties": {kind: shape}, "required": [kind], "additionalProperties": False}
    for kind, shape in (("code", _TEXT), ("name", _TEXT), ("id", {"type": "integer", "minimum": 1}))
]

OrganizationField = Annotated[
    Organization,
    PlainValidator(parse_organization),
    PlainSerializer(_write),
    WithJsonSchema({"anyOf": [_TEXT, *_FORMS]}),
]
