"""All that a factory imports: values in, intents out, and what its commands need. Nothing heavy is loaded here (it is
read for every `--help`): what is, comes when it is first asked for.

A factory is a Python module with `NAME`, which is how the configuration names it ("incident-siem"), and one or both of

to handle alerts:
- `Settings`: a frozen dataclass, the route's `settings:` (checked when the configuration is loaded);
- `handle(alert, case, settings) -> Iterable[Intent]`: what an alert asks for; synchronous and pure;
- `describe_writing(settings) -> Writing`: how the case's incidents are written;

to have commands:
- `add_parser(subparsers)`: adds them to argparse; each names its coroutine: `set_defaults(run=command(list_persons))`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from itop_bridge.alert import Alert, Severity, State
from itop_bridge.command.option import add_organization_options, organization_of, read_name
from itop_bridge.command.pair import parse_fields, parse_key, parse_value, parse_variables
from itop_bridge.command.session import Session, command
from itop_bridge.errors import BridgeError, UsageError
from itop_bridge.intent import (
    AppendPublicLog,
    Case,
    Cmdb,
    CreateIncident,
    Intent,
    ResolveIncident,
    Texts,
    Writing,
)
from itop_bridge.itop import oql
from itop_bridge.itop.action import (
    CheckCredentialsAction,
    CreateAction,
    DeleteAction,
    GetAction,
    ListAction,
    RelatedAction,
    StimulateAction,
    UpdateAction,
)
from itop_bridge.itop.error import ITopError, PermanentError, TransientError, UncertainError

if TYPE_CHECKING:
    from itop_bridge.command.desk import Draft, Written
    from itop_bridge.command.template import describe_incident, load_template
    from itop_bridge.command.text import Entry, cut_title, plain_line
    from itop_bridge.settings.unit import parse_duration

_LATER = {
    **dict.fromkeys(("Draft", "Written"), "itop_bridge.command.desk"),
    **dict.fromkeys(("describe_incident", "load_template"), "itop_bridge.command.template"),
    **dict.fromkeys(("Entry", "cut_title", "plain_line"), "itop_bridge.command.text"),
    "parse_duration": "itop_bridge.settings.unit",
}
"""What is heavy: import it where it is used, inside a command."""

__all__ = [
    "Alert",
    "AppendPublicLog",
    "BridgeError",
    "Case",
    "CheckCredentialsAction",
    "Cmdb",
    "CreateAction",
    "CreateIncident",
    "DeleteAction",
    "Draft",
    "Entry",
    "GetAction",
    "ITopError",
    "Intent",
    "ListAction",
    "PermanentError",
    "RelatedAction",
    "ResolveIncident",
    "Session",
    "Severity",
    "State",
    "StimulateAction",
    "Texts",
    "TransientError",
    "UncertainError",
    "UpdateAction",
    "UsageError",
    "Writing",
    "Written",
    "add_organization_options",
    "command",
    "cut_title",
    "describe_incident",
    "load_template",
    "oql",
    "organization_of",
    "parse_duration",
    "parse_fields",
    "parse_key",
    "parse_value",
    "parse_variables",
    "plain_line",
    "read_name",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'itop_bridge.factory' has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
