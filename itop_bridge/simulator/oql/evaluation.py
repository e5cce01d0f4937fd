"""Answering a query: the tree is compiled to closures once, then run over the objects that a user sees."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from itop_bridge.simulator.caselog import CaseLog
from itop_bridge.simulator.collation import compile_like, equal, fold_text
from itop_bridge.simulator.datamodel import ClassModel
from itop_bridge.simulator.failure import RestError, describe_sql
from itop_bridge.simulator.moment import parse_moment, shift_moment
from itop_bridge.simulator.oql.parser import OqlError
from itop_bridge.simulator.oql.syntax import (
    BinaryOqlExpression,
    Expression,
    FieldOqlExpression,
    FunctionOqlExpression,
    Join,
    ListOqlExpression,
    Query,
    ScalarOqlExpression,
    Select,
    VariableOqlExpression,
)
from itop_bridge.simulator.store import Row
from itop_bridge.simulator.view import View

Binding = dict[str, Row]
"""The object that each alias stands for."""
Getter = Callable[[Binding], Any]
_NO_FULLTEXT = 1191
_NEAR = 5


@dataclass(frozen=True, slots=True)
class Found:
    """What a query selects: its class and the objects, in iTop's order."""

    model: ClassModel
    rows: list[Row]


def answer_query(query: Query, view: View, now: str) -> Found:
    """The objects; `now` is the database's clock. Raises OqlError for a class or attribute that is not there."""
    rows: dict[str, Row] = {}
    models = []
    for select in query.selects:
        scope = _Scope(query.text, select, view, now)
        models.append(view.datamodel[select.iclass])
        rows |= {row.name: row for row in scope.run()}
    model = models[0] if len({each.name for each in models}) == 1 else view.datamodel[models[0].root]
    return Found(model, view.order(rows.values(), model))


class _Scope:
    """One SELECT with its aliases."""

    def __init__(self, text: str, select: Select, view: View, now: str) -> None:
        self._text = text
        self._select = select
        self._view = view
        self._now = now
        self._models = {select.alias: self._model(select.iclass, select.at)}
        for join in select.joins:
            self._models[join.alias] = self._model(join.iclass, join.at)

    def run(self) -> Iterator[Row]:
        where = self._compile(self._select.where) if self._select.where else None
        bindings: Iterable[Binding] = ({self._select.alias: row} for row in self._candidates())
        for join in self._select.joins:
            bindings = self._join(bindings, join)
        for binding in bindings:
            if where is None or where(binding):
                yield binding[self._select.alias]

    def _model(self, iclass: str, at: int) -> ClassModel:
        datamodel = self._view.datamodel
        if iclass not in datamodel:
            known = list(datamodel.classes)
            raise OqlError("UnknownClassOqlException", f"Unknown class - {self._describe(iclass, at, known)}")
        return datamodel[iclass]

    def _candidates(self) -> Iterator[Row]:
        """Every object of the class, or only those whose ids the condition names."""
        iclass = self._select.iclass
        ids = _named_ids(self._select.where, self._select.alias)
        if ids is None:
            yield from self._view.scan(iclass)
            return
        for object_id in ids:
            if row := self._view.get(iclass, object_id):
                yield row

    def _join(self, bindings: Iterable[Binding], join: Join) -> Iterator[Binding]:
        left, right = self._field(join.left), self._field(join.right)
        for binding in bindings:
            for row in self._view.scan(join.iclass):
                joined = {**binding, join.alias: row}
                if left(joined) == right(joined):
                    yield joined

    def _compile(self, expression: Expression) -> Getter:
        match expression:
            case ScalarOqlExpression(value):
                return lambda _: value
            case VariableOqlExpression(name):
                raise RestError(f"Missing query argument: expecting = {name}, available = {{}}")
            case FieldOqlExpression():
                return self._field(expression)
            case ListOqlExpression(items):
                getters = [self._compile(item) for item in items]
                return lambda binding: [getter(binding) for getter in getters]
            case FunctionOqlExpression(name, arguments):
                return self._function(name, [self._compile(argument) for argument in arguments])
            case BinaryOqlExpression(operator, left, right):
                return _operation(operator, self._compile(left), self._compile(right))

    def _field(self, expression: FieldOqlExpression) -> Getter:
        alias = expression.alias or self._select.alias
        if alias not in self._models:
            known = list(self._models)
            message = f"Unknown class (alias) - {self._describe(alias, expression.at, known)}"
            raise OqlError("OqlNormalizeException", message)
        model, code, view = self._models[alias], expression.name, self._view
        attribute = model.attributes.get(code)
        if code != "id" and (attribute is None or attribute.kind in ("set", "blob")):
            known = model.filter_codes()
            if code not in known:
                message = f"Unknown filter code - {self._describe(code, expression.at, known)}"
                raise OqlError("OqlNormalizeException", message)
        return lambda binding: view.value(binding[alias], code)

    def _function(self, name: str, arguments: list[Getter]) -> Getter:
        match name:
            case "NOW":
                return lambda _: self._now
            case "CURRENT_DATE":
                return lambda _: self._now[:10]
            case "DATE_ADD" | "DATE_SUB":
                sign = 1 if name == "DATE_ADD" else -1
                moment, amount, unit = arguments
                return lambda each: shift_moment(str(moment(each)), sign * int(amount(each)), unit(each))
            case "ISNULL":
                return lambda binding: arguments[0](binding) is None
            case "COALESCE":
                return lambda binding: next((v for get in arguments if (v := get(binding)) is not None), None)
        return lambda binding: "".join(_text(get(binding)) for get in arguments)  # CONCAT

    def _describe(self, found: str, at: int, known: list[str]) -> str:
        """Where it was found, what is known, and iTop's suggestion (transcripts 217, 218)."""
        distance, _, closest = min((_edit_distance(found, word), index, word) for index, word in enumerate(known))
        closest = closest if distance <= _NEAR else ""
        return (
            f"found '{found}' at {at} in '{self._text}', expecting {{{', '.join(known)}}}, "
            f"I would suggest to use '{closest}'"
        )


def _named_ids(where: Expression | None, alias: str) -> list[int] | None:
    """The ids that `id = n` or `id IN (…)`, alone or joined by AND, leaves over; None: it names none."""
    match where:
        case BinaryOqlExpression("LOG_AND", left, right):
            named = _named_ids(left, alias)
            return named if named is not None else _named_ids(right, alias)
        case BinaryOqlExpression("EQ", FieldOqlExpression(owner, "id"), ScalarOqlExpression(value)):
            return [value] if isinstance(value, int) and owner in ("", alias) else None
        case BinaryOqlExpression("IN", FieldOqlExpression(owner, "id"), ListOqlExpression(items)):
            values = [item.value for item in items if isinstance(item, ScalarOqlExpression)]
            ids = [value for value in values if isinstance(value, int)]
            return ids if len(ids) == len(items) and owner in ("", alias) else None
    return None


def _operation(operator: str, left: Getter, right: Getter) -> Getter:
    match operator:
        case "LOG_AND":
            return lambda binding: bool(left(binding)) and bool(right(binding))
        case "LOG_OR":
            return lambda binding: bool(left(binding)) or bool(right(binding))
        case "IN":
            return lambda binding: any(_compare("EQ", left(binding), item) for item in right(binding))
        case "NOT_IN":
            return lambda binding: not any(_compare("EQ", left(binding), item) for item in right(binding))
        case "LIKE":
            return lambda binding: _like(left(binding), right(binding))
        case "NOT_LIKE":
            return lambda binding: left(binding) is not None and not _like(left(binding), right(binding))
        case "REGEXP":
            return lambda each: re.search(str(right(each)), _text(left(each)), re.IGNORECASE) is not None
        case "MATCHES":  # only columns with a full-text index, of which tickets have none (transcript 581)
            raise RestError(describe_sql("SELECT … MATCH … AGAINST …", _NO_FULLTEXT), _NO_FULLTEXT)
        case "MATH_PLUS" | "MATH_MINUS" | "MATH_MULT" | "MATH_DIV":
            return lambda binding: _calculate(operator, _number(left(binding)), _number(right(binding)))
    return lambda binding: _compare(operator, left(binding), right(binding))


def _compare(operator: str, left: Any, right: Any) -> bool:
    """As MariaDB does: numbers with numbers, dates with what reads as a date, texts by collation; NULL with nothing."""
    if left is None or right is None:
        return False
    if isinstance(left, int) or isinstance(right, int):
        return _rank(operator, _number(left), _number(right))
    left, right = _text(left), _text(right)
    moment = parse_moment(left) if len(left) in (10, 19) else None
    other = parse_moment(right) if moment else None
    if moment and other:
        return _rank(operator, moment, other)
    if operator in ("EQ", "NOT_EQ"):
        return equal(left, right) is (operator == "EQ")
    return _rank(operator, fold_text(left).rstrip(" "), fold_text(right).rstrip(" "))


def _rank(operator: str, left: Any, right: Any) -> bool:
    match operator:
        case "EQ":
            return bool(left == right)
        case "NOT_EQ":
            return bool(left != right)
        case "LT":
            return bool(left < right)
        case "LE":
            return bool(left <= right)
        case "GT":
            return bool(left > right)
    return bool(left >= right)


def _like(value: Any, pattern: Any) -> bool:
    if value is None or pattern is None:
        return False
    folded = value.folded if isinstance(value, CaseLog) else fold_text(_text(value))
    return compile_like(_text(pattern)).fullmatch(folded) is not None


def _text(value: Any) -> str:
    if isinstance(value, CaseLog):
        return value.column
    return "" if value is None else str(value)


def _number(value: Any) -> float:
    """The number that a text begins with, else 0, as MariaDB converts."""
    if isinstance(value, int):
        return value
    match = re.match(r"\s*-?\d+(?:\.\d+)?", _text(value))
    return float(match.group()) if match else 0.0


def _calculate(operator: str, left: float, right: float) -> float | None:
    match operator:
        case "MATH_PLUS":
            return left + right
        case "MATH_MINUS":
            return left - right
        case "MATH_MULT":
            return left * right
    return left / right if right else None


def _edit_distance(left: str, right: str) -> int:
    """Levenshtein's."""
    previous = list(range(len(right) + 1))
    for row, char in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (char != other)))
        previous = current
    return previous[-1]
