"""The errors of the bridge: one base class, and each docstring is the default message."""


class BridgeError(Exception):
    """The bridge failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class ConfigurationError(BridgeError):
    """The configuration is not usable. `problems` holds one line per problem, with file, line and column."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class UsageError(BridgeError):
    """The command was not given what it needs: exit code 2."""


class ElementError(BridgeError):
    """An element of an event cannot be mapped: it becomes a dead letter.

    `reason` is a word of the contract (`invalid_json`, `unrecognised_shape`, …); `field` names the field at fault.
    """

    def __init__(self, reason: str, detail: str = "", field: str | None = None) -> None:
        self.reason = reason
        self.field = field
        self.detail = detail
        where = f"{field}: " if field else ""
        super().__init__(f"{reason}: {where}{detail}" if detail or field else reason)


class ExpressionError(BridgeError):
    """A template or expression failed, or went over its limits."""


class JournalError(BridgeError):
    """The journal cannot be used."""


class JournalLockedError(JournalError):
    """Another daemon has this journal open."""


class JournalFormatError(JournalError):
    """The journal's file is corrupt, of another program, or of a newer version."""


class JournalFullError(JournalError):
    """The disk is full: nothing was stored; the journal heals when space returns."""


class JournalUncertainError(JournalError):
    """The disk failed while storing: whether it was stored is not known, so the daemon must stop."""
