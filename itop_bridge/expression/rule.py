"""What a template may hold: checked once, in its syntax tree, before anything is compiled."""

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from jinja2 import nodes

from itop_bridge.alert import Alert
from itop_bridge.expression.filter import TEXT_METHODS
from itop_bridge.expression.value import SEVERITY_NAMES
from itop_bridge.spelling import suggest_or_list

_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign),
    *(nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.CondExpr),
    *(nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice, nodes.Concat),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
)
_ADVICE = {
    nodes.Pow: "** is not allowed",
    nodes.AssignBlock: "write {% set name = … %} without a block",
    nodes.NSRef: "namespaces are not allowed",
}
_ORDERED = frozenset(("lt", "lteq", "gt", "gteq"))
_ALERT_FIELDS = tuple(field.name for field in dataclasses.fields(Alert))
_OF_PAYLOAD = frozenset(("raw", "wrapper"))
_JINJA_NAMES = frozenset(("self", "super", "caller", "varargs", "kwargs"))
_MOST_NUMBER = 2**63


class Fault(NamedTuple):
    """Something that may not stand in a template, and what to do about it."""

    line: int
    text: str


def find_faults(tree: nodes.Node, names: Collection[str]) -> Iterator[Fault]:
    """Everything that is wrong with a tree, but for unknown names and filters. `names` is what the scene gives."""
    for node in (tree, *_descendants(tree)):
        text = _judge(node, names)
        if text:
            yield Fault(node.lineno or 1, text)


def _descendants(node: nodes.Node) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        yield child
        yield from _descendants(child)


def _judge(node: nodes.Node, names: Collection[str]) -> str | None:
    if not isinstance(node, _ALLOWED):
        kind = type(node).__name__
        return _ADVICE.get(type(node), f"{kind.lower()} is not allowed; use if, for, set and {{{{ … }}}}")
    match node:
        case nodes.Name(name=name):
            return _judge_name(node, name, names)
        case nodes.Const(value=value):
            return "a number beyond 64 bits" if isinstance(value, int) and abs(value) > _MOST_NUMBER else None
        case nodes.For(recursive=True):
            return "a loop cannot be recursive"
        case nodes.Call():
            return _judge_call(node)
        case nodes.Getattr(node=nodes.Name(name="alert"), attr=attr) if "alert" in names and attr not in _ALERT_FIELDS:
            return f"an alert has no {attr!r}{suggest_or_list(attr, _ALERT_FIELDS)}"
        case nodes.Compare():
            return _judge_comparison(node)
    return None


def _judge_name(node: nodes.Name, name: str, names: Collection[str]) -> str | None:
    if name.startswith("_"):
        return f"the name {name!r} is not allowed: it begins with _"
    if name in _JINJA_NAMES:
        return f"{name!r} is not known here{suggest_or_list(name, sorted(names))}"
    if node.ctx != "load" and name in names:
        return f"{name!r} is given and cannot be set; use another name"
    return None


def _judge_call(node: nodes.Call) -> str | None:
    if isinstance(node.node, nodes.Getattr) and node.node.attr in TEXT_METHODS:
        return None
    called = getattr(node.node, "attr", None) or getattr(node.node, "name", None) or "this"
    return f"{called} cannot be called{suggest_or_list(str(called), TEXT_METHODS)}"


def _judge_comparison(node: nodes.Compare) -> str | None:
    """A severity may only be compared with a severity's name: 'high' >= 'medium' is false as text."""
    operands = [node.expr, *(each.expr for each in node.ops)]
    constants = [value for operand in operands for value in _constants(operand)]
    if any(_is_severity(operand) for operand in operands):
        for value in constants:
            if value is not None and value not in SEVERITY_NAMES:
                return f"{value!r} is no severity{suggest_or_list(str(value), SEVERITY_NAMES)}"
    ordered = any(each.op in _ORDERED for each in node.ops)
    if ordered and any(_root(each) in _OF_PAYLOAD for each in operands) and set(constants) & set(SEVERITY_NAMES):
        return "what a payload says of a severity is text and has no order; use alert.severity"
    return None


def _constants(node: nodes.Node) -> list[Any]:
    if isinstance(node, nodes.Const):
        return [node.value]
    if isinstance(node, nodes.List | nodes.Tuple):
        return [item.value for item in node.items if isinstance(item, nodes.Const)]
    return []


def _is_severity(node: nodes.Node) -> bool:
    named = (isinstance(node, nodes.Getattr) and node.attr == "severity") or (
        isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and node.arg.value == "severity"
    )
    return named and _root(node) not in _OF_PAYLOAD


def _root(node: nodes.Node) -> str | None:
    """The name at the beginning of `name.a.b[0]`."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        node = node.node
    return node.name if isinstance(node, nodes.Name) else None
