"""A bridge from SIEM alerts on MQTT to incidents in iTop, and a library for iTop's REST/JSON API.

`from itop_bridge import ITop, GetAction` (docs/library.md); without await: `from itop_bridge.blocking import …`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from itop_bridge.errors import BridgeError, ConfigurationError
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
    from itop_bridge.itop.answer import Answer, Object
    from itop_bridge.itop.client import Connection
    from itop_bridge.itop.connection import ITop
    from itop_bridge.itop.error import ITopError, PermanentError, TransientError, UncertainError

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "BridgeError",
    "CheckCredentialsAction",
    "ConfigurationError",
    "Connection",
    "CreateAction",
    "DeleteAction",
    "GetAction",
    "ITop",
    "ITopError",
    "ListAction",
    "Object",
    "PermanentError",
    "RelatedAction",
    "StimulateAction",
    "TransientError",
    "UncertainError",
    "UpdateAction",
    "__version__",
    "oql",
]

_HOMES = {
    **dict.fromkeys(("BridgeError", "ConfigurationError"), "itop_bridge.errors"),
    **dict.fromkeys(("Answer", "Object"), "itop_bridge.itop.answer"),
    **dict.fromkeys(("ITopError", "PermanentError", "TransientError", "UncertainError"), "itop_bridge.itop.error"),
    **dict.fromkeys([name for name in __all__ if name.endswith("Action")], "itop_bridge.itop.action"),
    "Connection": "itop_bridge.itop.client",
    "ITop": "itop_bridge.itop.connection",
}
"""Where each name is at home: it is imported when it is first asked for, since the command line imports this module."""


def __getattr__(name: str) -> Any:
    if name == "oql":
        return importlib.import_module("itop_bridge.itop.oql")
    if name not in _HOMES:
        raise AttributeError(f"module 'itop_bridge' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
