"""Sandboxed Jinja2: conditions, expressions and texts, compiled once.

Jinja's own sandbox keeps a template from Python's internals, not from the machine's time and memory, and it looks for a
dict's methods before its items. So here attributes are items and no more, methods and filters are listed, loops and
texts are bounded, and what is missing is `Missing`.
"""

import datetime
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jinja2
from jinja2 import meta, nodes, pass_context
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape

from itop_bridge.alert import Alert, Severity
from itop_bridge.errors import ExpressionError
from itop_bridge.expression.filter import FILTERS, TESTS, TEXT_METHODS, calculate, concat
from itop_bridge.expression.rule import Fault, find_faults
from itop_bridge.expression.value import SEVERITIES, SEVERITY_NAMES, Missing, to_text
from itop_bridge.spelling import suggest_or_list

Scene = Mapping[str, Any]
"""What an expression sees, by name."""

ALERT_NAMES = ("alert", "raw", "topic")
"""What expressions of a route see."""
TEXT_NAMES = ("alert", "alerts", "backlog", "case", "ci", "latest", "settings")
"""What texts see."""

_MOST_SOURCE_CHARS = 100_000
_MOST_ROUNDS = 10_000
_BUDGET = "_budget"
_PART_OF_ENTITY = re.compile(r"&[^;]{0,5}$")
_LOOP = frozenset(("index", "index0", "first", "last", "length"))
_MOMENT = frozenset(("year", "month", "day", "hour", "minute", "second"))
_LOAD_ERRORS = (jinja2.TemplateError, RecursionError, SyntaxError, MemoryError, ValueError)
_RUN_ERRORS = (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError)


@dataclass(slots=True)
class _Budget:
    """What one rendering may still do."""

    chars: int
    rounds: int = _MOST_ROUNDS


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2 with everything taken out that is not listed here."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%"))

    def __init__(self, *, html: bool) -> None:
        # not optimized: nothing is worked out while compiling
        super().__init__(autoescape=html, undefined=Missing, optimized=False, finalize=_escape if html else to_text)
        self.globals.clear()
        self.filters = {**FILTERS, "_concat": concat, "_bound": _bound}
        self.tests = dict(TESTS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An item of a mapping; of other things only what is listed."""
        if isinstance(obj, Mapping):
            return self._show(obj.get(attribute), attribute)
        if isinstance(obj, str):
            method = TEXT_METHODS.get(attribute)
            return partial(method, obj) if method else Missing(name=attribute)
        if (
            isinstance(obj, Alert)
            or (isinstance(obj, LoopContext) and attribute in _LOOP)
            or (isinstance(obj, datetime.datetime) and attribute in _MOMENT)
        ):
            return self._show(getattr(obj, attribute, None), attribute)
        return Missing(name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]`: a key of a mapping, an index or slice of a list or text."""
        if isinstance(obj, list | tuple | str) and isinstance(argument, int | slice):
            try:
                return self._show(obj[argument], str(argument))
            except IndexError:
                return Missing(name=str(argument))
        if isinstance(argument, str):
            return Missing(name=argument) if isinstance(obj, str) else self.getattr(obj, argument)
        return Missing(name=str(argument))

    def _show(self, value: Any, name: str) -> Any:
        if value is None:
            return Missing(name=name)
        if isinstance(value, Severity):
            return SEVERITIES[value]
        if name == "severity" and type(value) is str:
            return SEVERITY_NAMES.get(value, value)
        return value

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        del context
        return calculate(operator, left, right)


@pass_context
def _escape(context: Context, value: Any) -> Markup:
    """A value in HTML: escaped, and cut where the budget ends. Only values are cut, so no tag is left open."""
    room = context[_BUDGET].chars
    escaped = escape(to_text(value))
    if len(escaped) <= room:
        return escaped
    # Markup(…) is safe here: a piece of what was just escaped, not ending within an entity
    return Markup(_PART_OF_ENTITY.sub("", str(escaped)[:room]) + "…") if room > 0 else Markup()  # noqa: S704 - see above


@pass_context
def _bound(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    """What a loop goes over: it ends when the text is full, and fails when it goes round too often."""
    budget = context[_BUDGET]
    for item in items:
        if budget.chars <= 0:
            return
        budget.rounds -= 1
        if budget.rounds < 0:
            raise ExpressionError(f"the loops of a text go round more than {_MOST_ROUNDS} times")
        yield item


class _Bounds(NodeTransformer):
    """Puts our own where Jinja leaves no hook: for `~`, for what loops go over, and for an `if` without `else`, which
    would give Jinja's idea of undefined."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - the name is Jinja's
        self.generic_visit(node)
        first, *rest = node.nodes
        return nodes.Filter(first, "_concat", rest, [], None, None, lineno=node.lineno)

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Node:  # noqa: N802 - the name is Jinja's
        self.generic_visit(node)
        node.expr2 = node.expr2 or nodes.Const(None, lineno=node.lineno)
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - the name is Jinja's
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "_bound", [], [], None, None, lineno=node.lineno)
        return node


_TEXT = _Sandbox(html=False)
_HTML = _Sandbox(html=True)


def compile_expression(text: str, *, names: Collection[str] = ALERT_NAMES) -> Callable[[Scene], Any]:
    """A Jinja2 expression, without braces. The result is None where it is missing.

    Raises ExpressionError, here for what is wrong with the text, later for what cannot be evaluated.
    """
    source = text.strip()
    if source.startswith(("{{", "{%")):
        raise ExpressionError(f"{source!r} is an expression: write it without {{{{ }}}}")
    try:
        parser = Parser(_TEXT, _bound_source(source), state="variable")
        expression = parser.parse_expression()
        if not parser.stream.eos:
            raise ExpressionError(f"{source!r}: {parser.stream.current.value!r} does not belong there")
        result = nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)
        template = _compile(_TEXT, nodes.Template([result], lineno=1), {*names} - {"result"})
    except _LOAD_ERRORS as error:
        raise _explain(error, source) from error
    run, make_context = template.root_render_func, template.new_context

    def evaluate(scene: Scene) -> Any:
        context = make_context(dict(scene), shared=True)
        try:
            for _ in run(context):
                pass
        except _RUN_ERRORS as error:
            raise _explain(error, source) from error
        value = context.vars["result"]
        return None if isinstance(value, Missing) else value

    return evaluate


def compile_condition(text: str, *, names: Collection[str] = ALERT_NAMES) -> Callable[[Scene], bool]:
    """A Jinja2 expression that holds or not; with what is missing, a comparison does not. Raises ExpressionError."""
    evaluate = compile_expression(text, names=names)
    return lambda scene: bool(evaluate(scene))


def compile_text(
    source: str, *, html: bool, max_chars: int, names: Collection[str] = TEXT_NAMES
) -> Callable[[Scene], str]:
    """A Jinja2 template. Where values make the text longer than `max_chars` it is cut: plain text at its end, HTML in
    its values and loops, so that its tags stay whole (only its static text may exceed the bound). HTML has its values
    escaped.

    Raises ExpressionError, here for what is wrong with the source, later for what cannot be rendered.
    """
    sandbox = _HTML if html else _TEXT
    try:
        template = _compile(sandbox, sandbox.parse(_bound_source(source)), names)
    except _LOAD_ERRORS as error:
        raise _explain(error, source) from error
    # what stands in the source of an HTML text is written in any case: room is kept for it
    room = max(max_chars - len(source), max_chars // 2) if html else max_chars

    def render(scene: Scene) -> str:
        budget = _Budget(room)
        chunks: list[str] = []
        try:
            for chunk in template.root_render_func(template.new_context({**scene, _BUDGET: budget}, shared=True)):
                chunks.append(chunk)
                budget.chars -= len(chunk)
                if budget.chars < 0 and not html:
                    break
        except _RUN_ERRORS as error:
            raise _explain(error, source) from error
        text = "".join(chunks)
        return text if html or len(text) <= max_chars else text[: max_chars - 1] + "…"

    return render


def _bound_source(source: str) -> str:
    if len(source) > _MOST_SOURCE_CHARS:
        raise ExpressionError(f"a template of {len(source)} characters; at most {_MOST_SOURCE_CHARS} are allowed")
    return source


def _compile(sandbox: _Sandbox, tree: nodes.Template, names: Collection[str]) -> jinja2.Template:
    tree.set_environment(sandbox)
    faults = list(find_faults(tree, names))
    if not faults:
        unknown = meta.find_undeclared_variables(tree) - {*names}
        faults = [Fault(_line_of(tree, name), _unknown(name, names)) for name in sorted(unknown)]
    if faults:
        raise ExpressionError("; ".join(f"line {line}: {text}" if line > 1 else text for line, text in sorted(faults)))
    bounded = _Bounds().visit(tree)
    bounded.set_environment(sandbox)
    return sandbox.from_string(bounded)


def _line_of(tree: nodes.Node, name: str) -> int:
    return next((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), 1)


def _unknown(name: str, names: Collection[str]) -> str:
    return f"{name!r} is not known here{suggest_or_list(name, sorted(names))}"


def _explain(error: BaseException, source: str) -> ExpressionError:
    """Jinja's and Python's errors in our words."""
    shown = source if len(source) <= 80 else source[:79] + "…"
    where = f"line {error.lineno}: " if isinstance(error, jinja2.TemplateSyntaxError) and error.lineno > 1 else ""
    if isinstance(error, RecursionError | MemoryError):
        return ExpressionError(f"{shown!r}: nested too deeply")
    text = str(getattr(error, "message", None) or error)
    if text.startswith("No filter named"):
        text += f" The filters are {', '.join(sorted(FILTERS))}."
    elif text.startswith("No test named"):
        text += f" The tests are {', '.join(sorted(TESTS))}."
    return ExpressionError(f"{shown!r}: {where}{text}")
