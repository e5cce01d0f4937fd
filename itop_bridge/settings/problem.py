"""pydantic's errors in the words of the configuration: a path, what is wrong, and what to do. Pure."""

import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from itop_bridge.settings.document import join_path
from itop_bridge.spelling import suggest


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at a path. `at_key`: with the key itself, not with its value."""

    path: str
    text: str
    at_key: bool = False


def describe_errors(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """One problem per error. No value of a text is repeated: it may be a secret in the wrong place."""
    return [_describe(details, model) for details in error.errors(include_url=False)]


def _describe(details: ErrorDetails, model: type[BaseModel]) -> Problem:
    path = join_path(details["loc"])
    if details["type"] == "extra_forbidden":
        return Problem(path, unknown_key(str(details["loc"][-1]), _model_at(model, details["loc"][:-1])), at_key=True)
    if details["type"] == "missing":
        return Problem(path, _missing_key(str(details["loc"][-1]), _model_at(model, details["loc"][:-1])))
    return Problem(path, _wrong_value(details))


def unknown_key(key: str, model: type[BaseModel]) -> str:
    """What to say of a key that a section does not have."""
    known = [field.alias or name for name, field in model.model_fields.items()]
    return "unknown key" + suggest(key, known, f"; known here: {', '.join(sorted(known))}")


def _missing_key(key: str, model: type[BaseModel]) -> str:
    field = model.model_fields.get(key)
    return f"missing: {field.description}" if field and field.description else "missing"


def _wrong_value(details: ErrorDetails) -> str:
    phrase = _PHRASES.get(details["type"])
    return phrase(details["input"], details.get("ctx", {})) if phrase else details["msg"]


def _wrong_choice(value: Any, expected: str) -> str:
    choices = [choice.strip("'") for choice in expected.replace(" or ", ", ").split(", ")]
    hint = suggest(value, choices) if isinstance(value, str) else ""
    shown = "" if isinstance(value, str) else f", not {_kind(value)}"
    return f"must be one of {', '.join(choices)}{shown}{hint}"


def _kind(value: Any) -> str:
    """What a value is, as a person would say it; numbers and yes/no in full, since YAML's guesses surprise."""
    match value:
        case None:
            return "empty"
        case bool():
            return f"{str(value).lower()} (which is how YAML reads yes, no, on and off)"
        case int() | float():
            return f"the number {value}"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "a section"
        case _:
            return f"a {type(value).__name__}"


_PATTERNS = {
    r"^[^\x00-\x1f\x7f]+$": "must be one line without control characters",
    r"^[a-z0-9][a-z0-9_-]{0,62}$": "must be small letters, digits, - and _ (at most 63), with a letter or digit first",
    r"^\d+\.\d+$": 'must be a version such as "1.4"',
}

_PHRASES: Mapping[str, Callable[[Any, dict[str, Any]], str]] = {
    "value_error": lambda _, context: str(context["error"]),
    "literal_error": lambda value, context: _wrong_choice(value, context["expected"]),
    "string_type": lambda value, _: (
        f"must be text, not {_kind(value)}" + ("" if value is None else ": put it in quotes")
    ),
    "string_too_short": lambda _, __: "must not be empty",
    "string_pattern_mismatch": lambda _, context: _PATTERNS[context["pattern"]],
    "bool_type": lambda value, _: f"must be true or false, not {_kind(value)}",
    "int_type": lambda value, _: f"must be a whole number, not {_kind(value)}",
    "greater_than_equal": lambda value, context: f"must be {context['ge']} or more, not {value}",
    "less_than_equal": lambda value, context: f"must be {context['le']} or less, not {value}",
    "tuple_type": lambda value, _: f"must be a list, not {_kind(value)}",
    "model_type": lambda value, _: f"must be a section of keys and values, not {_kind(value)}",
    "dict_type": lambda value, _: f"must be a section of keys and values, not {_kind(value)}",
}


def _model_at(model: type[BaseModel], path: tuple[str | int, ...]) -> type[BaseModel]:
    """The model of the section at a path, from the annotations."""
    for part in path:
        if isinstance(part, str):
            field = next((field for name, field in model.model_fields.items() if part in (name, field.alias)), None)
            model = next(_models_in(field.annotation), model) if field else model
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)
