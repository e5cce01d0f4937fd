"""What operators write: paths into a payload, and sandboxed Jinja2. Compiled once at load, evaluated many times.

A payload is data to both: it is never compiled.
"""

from itop_bridge.expression.path import Getter, compile_alternatives, compile_path, is_absent
from itop_bridge.expression.template import compile_condition, compile_expression, compile_text

__all__ = [
    "Getter",
    "compile_alternatives",
    "compile_condition",
    "compile_expression",
    "compile_path",
    "compile_text",
    "is_absent",
]
