"""One user at work: who, what is seen, and the clocks."""

from collections.abc import Callable
from dataclasses import dataclass

from itop_bridge.simulator.account import Account
from itop_bridge.simulator.release import Release
from itop_bridge.simulator.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Everything that finding and writing objects needs to know of the caller."""

    account: Account
    user_login: str
    """What stands over the user's log entries: the friendly name of the contact, or the login."""
    view: View
    release: Release
    now: Callable[[], str]
    """PHP's clock, as iTop writes dates."""
    database_now: Callable[[], str]
    """The database's clock, which OQL's NOW() reads; its zone may be another (transcripts 910-912)."""
    log_limit: int
    """The most entries that a case log holds (transcript 500)."""
