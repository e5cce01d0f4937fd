"""All that a factory imports: values in, intents out. Nothing heavy is loaded here (it is read for every `--help`).

A factory is a Python module with

- `NAME`: how routes name it ("incident-siem");
- `Settings`: a frozen dataclass, the route's `settings:` (checked when the configuration is loaded);
- `handle(alert, case, settings) -> Iterable[Intent]`: what an alert asks for; synchronous and pure;
- `describe_writing(settings) -> Writing`: how the case's incidents are written;
- `add_parser(subparsers)`, optional: its own commands.
"""

from itop_bridge.alert import Alert, Severity, State
from itop_bridge.intent import (
    AppendPublicLog,
    Case,
    CreateIncident,
    Intent,
    ResolveIncident,
    Texts,
    Writing,
)

__all__ = [
    "Alert",
    "AppendPublicLog",
    "Case",
    "CreateIncident",
    "Intent",
    "ResolveIncident",
    "Severity",
    "State",
    "Texts",
    "Writing",
]
