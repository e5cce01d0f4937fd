"""The log: one line per event, whose name and keys are a contract; and alarms, which begin and end.

Secrets are masked, and whatever an attacker wrote stays on its line. Get a logger with `get_logger()`.
"""

from itop_bridge.log.alarm import Alarm, Alarms
from itop_bridge.log.catalogue import ALARMS, EVENTS, KEYS
from itop_bridge.log.chain import configure_log, get_logger
from itop_bridge.log.contract import ContractError, find_breach
from itop_bridge.log.entry import Condition, Event
from itop_bridge.log.failure import chain_of, describe_error, describe_expected
from itop_bridge.log.fault import Faults
from itop_bridge.log.line import LAYOUTS, escape_text
from itop_bridge.log.value import hide_secret

__all__ = [
    "ALARMS",
    "EVENTS",
    "KEYS",
    "LAYOUTS",
    "Alarm",
    "Alarms",
    "Condition",
    "ContractError",
    "Event",
    "Faults",
    "chain_of",
    "configure_log",
    "describe_error",
    "describe_expected",
    "escape_text",
    "find_breach",
    "get_logger",
    "hide_secret",
]
