"""OQL as a tree. Frozen values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldOqlExpression:
    """An attribute, of the class `alias` or of the class selected."""

    alias: str
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class ScalarOqlExpression:
    """A text, a number, or NULL."""

    value: str | int | None


@dataclass(frozen=True, slots=True)
class VariableOqlExpression:
    """`:name`, which nobody fills in over REST."""

    name: str


@dataclass(frozen=True, slots=True)
class ListOqlExpression:
    items: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class BinaryOqlExpression:
    """`operator` is the token's name: EQ, LIKE, LOG_AND, …"""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class FunctionOqlExpression:
    """`name` in capitals; DATE_ADD and DATE_SUB have a moment, an amount and the unit's name as arguments."""

    name: str
    arguments: tuple["Expression", ...]


Expression = (
    FieldOqlExpression
    | ScalarOqlExpression
    | VariableOqlExpression
    | ListOqlExpression
    | BinaryOqlExpression
    | FunctionOqlExpression
)


@dataclass(frozen=True, slots=True)
class Join:
    """JOIN iclass AS alias ON left = right."""

    iclass: str
    alias: str
    at: int
    left: FieldOqlExpression
    right: FieldOqlExpression


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT; its objects are those of `alias`."""

    iclass: str
    alias: str
    at: int
    joins: tuple[Join, ...]
    where: Expression | None


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT, or several with UNION."""

    text: str
    selects: tuple[Select, ...]
