"""A format's YAML file, compiled: every error of it at once, with file, line and column."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args

from itop_bridge.alert import Severity
from itop_bridge.errors import ConfigurationError, ExpressionError
from itop_bridge.expression import compile_condition, compile_expression
from itop_bridge.expression.path import compile_alternatives, compile_path
from itop_bridge.expression.rule import suggest
from itop_bridge.settings.document import Document, parse_document
from itop_bridge.triage.format import Fields, Format, Graded, Match, Source, Sources, States
from itop_bridge.triage.severity import STANDARD_WORDS, Scale, Words, fold_word
from itop_bridge.triage.syntax import SYNTAXES
from itop_bridge.triage.value import read_word
