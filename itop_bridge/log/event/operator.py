"""What operators did: commands of the command line, and orders to a running daemon."""

from collections.abc import Mapping

from itop_bridge.log.entry import Event

EVENTS: Mapping[str, Event] = {
    "command.failed": Event(
        "error",
        "A command of the command line failed.",
        "Whoever ran it saw the same text.",
        always=("command", "user", "detail"),
    ),
    "command.finished": Event(
        "info", "A command of the command line ended.", always=("command", "user", "exit_code", "duration_ms")
    ),
    "command.started": Event("info", "A command of the command line began.", always=("command", "user")),
    "control.failed": Event(
        "error",
        "An operator's command met a mistake of the bridge's; alerts go on.",
        "Report it with this line; `failure` has the error.",
        always=("operation", "failure"),
    ),
    "control.performed": Event(
        "info",
        "An operator's command changed something, or broke off (`result`); `uid` is the user's id.",
        always=("operation", "uid", "request", "result"),
    ),
    "control.started": Event("info", "The socket for operators' commands listens.", always=("path",)),
    "control.unavailable": Event(
        "warning",
        "There is no socket for operators' commands; all else goes on.",
        "Mend what `detail` names (the folder of the journal, the length of its path), and restart by day.",
        always=("detail",),
    ),
}
