"""What a failure is told as: one line that says what to do, and with `-v` the causes. Pure."""

import argparse

from itop_bridge.errors import BridgeError
from itop_bridge.itop.error import (
    CredentialsError,
    ITopError,
    MaintenanceError,
    NotAllowedError,
    NotSentError,
    ReadOnlyError,
    ThrottledError,
    UncertainError,
)

_TRY_LATER = "nothing was done; try again later"
_ADVICE: dict[type[ITopError], str] = {
    CredentialsError: "check user and password in {config}, and that the user has the profile REST Services User",
    MaintenanceError: _TRY_LATER,
    ThrottledError: _TRY_LATER,
    NotAllowedError: "nothing was done; the user needs a profile that may do this, or iTop is read-only just now",
    NotSentError: "nothing was done; check itop.address in {config}, and that iTop is up",
    ReadOnlyError: "leave out --read-only to let it be sent",
    UncertainError: "if the command writes, look in iTop whether it was done before you run it again",
}


def describe_failure(error: BridgeError, args: argparse.Namespace) -> list[str]:
    """One line, and before it with `-v` one per cause, oldest first; of other people's code with its type."""
    told = " ".join(str(error).split())
    if advice := next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), None):
        told = f"{told.rstrip('.')}; {advice.format(config=getattr(args, 'config', None) or 'the configuration')}"
    return [*list_causes(error), told] if getattr(args, "verbose", False) else [told]


def list_causes(error: BaseException) -> list[str]:
    """The causes of an error, oldest first, without itself."""
    from itop_bridge.log import chain_of  # noqa: PLC0415 - heavy

    causes = chain_of(error)[:-1]
    return [str(each) if isinstance(each, BridgeError) else f"{type(each).__name__}: {each}" for each in causes]
