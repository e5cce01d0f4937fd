"""What can go wrong with a call, by what it says about the call: not done, not known, or it will never work.

Each leaf's docstring states the fact. The messages are short (iTop echoes up to 231 KB of SQL) and hold no credentials.
"""

from itop_bridge.errors import BridgeError


class ITopError(BridgeError):
    """A call to iTop failed. `code` is iTop's own code, `status` the HTTP status, where there was one."""

    def __init__(self, message: str | None = None, *, code: int | None = None, status: int | None = None) -> None:
        self.code = code
        self.status = status
        super().__init__(message)


class TransientError(ITopError):
    """Nothing was done; the same call may work later."""


class UncertainError(ITopError):
    """Whether it was done is not known: verify before doing it again."""


class PermanentError(ITopError):
    """Nothing was done, and the call will not work as it is."""


# Nothing was done.


class NotSentError(TransientError):
    """The call did not reach iTop: refused, not found, TLS failed, or its turn did not come."""


class WithdrawnError(NotSentError):
    """Before its turn came nobody wanted the call any more."""


class MaintenanceError(TransientError):
    """iTop is in maintenance."""


class ThrottledError(TransientError):
    """iTop's front asks to slow down. `retry_after_s` is what it asked for, at most an hour; None if it did not say."""

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after_s: float | None = None,
        code: int | None = None,
        status: int | None = None,
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, code=code, status=status)


class CredentialsError(TransientError):
    """iTop does not accept the credentials, or the user may not use the web services."""


class NotAllowedError(TransientError):
    """The user may not do this: a right is missing, or iTop is read-only; the two cannot be told apart."""


class ConditionError(TransientError):
    """The call's own key found no object: it changed since it was read, or it is out of sight."""


# It is not known whether it was done.


class NoReplyError(UncertainError):
    """The call was sent, and no whole answer came back."""


class ServerError(UncertainError):
    """The answer is not iTop's."""


class DatabaseError(UncertainError):
    """iTop's database failed. `errno` is MySQL's; None if the text does not tell it."""

    def __init__(
        self,
        message: str | None = None,
        *,
        errno: int | None = None,
        code: int | None = None,
        status: int | None = None,
    ) -> None:
        self.errno = errno
        super().__init__(message, code=code, status=status)

    @property
    def is_outage(self) -> bool:
        """True if the database itself is in trouble, not this one statement."""
        return self.errno in _OUTAGE_ERRNOS or (self.errno or 0) // 1000 == 2


_OUTAGE_ERRNOS = frozenset({3, 1021, 1030, 1040, 1053, 1114, 1203, 1836})
"""MySQL's: error writing file, disk full, storage engine, too many connections, shutting down, table full, too many
connections of the user, read-only. The 2000s are its client's: no connection."""


# It will not work as it is.


class LogFullError(PermanentError):
    """The object's log takes no more entries (388 in iTop 3.2, transcript 500). `column` is the database's name."""

    def __init__(
        self, message: str | None = None, *, column: str, code: int | None = None, status: int | None = None
    ) -> None:
        self.column = column
        super().__init__(message, code=code, status=status)


class TooLongError(PermanentError):
    """A text is longer than its field; None if iTop does not say which."""

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        code: int | None = None,
        status: int | None = None,
    ) -> None:
        self.field = field
        super().__init__(message, code=code, status=status)


class FieldError(PermanentError):
    """iTop refuses the value of a field.

    `reason` is one of not_found, ambiguous, value_not_allowed, null_not_allowed, unknown_attribute, wrong_format and
    other. `issues` has every (field, reason) where iTop names several (transcript 073).
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str,
        reason: str,
        issues: tuple[tuple[str, str], ...] = (),
        code: int | None = None,
        status: int | None = None,
    ) -> None:
        self.field = field
        self.reason = reason
        self.issues = issues
        super().__init__(message, code=code, status=status)


class ObjectGoneError(PermanentError):
    """The object is not there: deleted, moved, or out of the user's sight."""


class StimulusError(PermanentError):
    """The object's state does not take the stimulus (`state`), or fields are missing for it (`missing`)."""

    def __init__(
        self,
        message: str | None = None,
        *,
        stimulus: str,
        state: str | None = None,
        missing: tuple[str, ...] = (),
        code: int | None = None,
        status: int | None = None,
    ) -> None:
        self.stimulus = stimulus
        self.state = state
        self.missing = missing
        super().__init__(message, code=code, status=status)


class ReadOnlyError(PermanentError):
    """The connection is read-only: the call was not sent."""


class RequestError(PermanentError):
    """The call itself is wrong: our fault."""


class RefusedError(PermanentError):
    """iTop refuses the call."""
