"""What iTop's REST service raises. The texts are iTop's own."""

OK = 0
UNAUTHORIZED = 1
MISSING_VERSION = 2
MISSING_JSON = 3
INVALID_JSON = 4
UNSUPPORTED_VERSION = 10
UNKNOWN_OPERATION = 11
INVALID_PAGE = 13
INTERNAL_ERROR = 100

BAD_READ_ONLY = 1290
LOCK_WAIT = 1205
TOO_LONG = 1406

MYSQL_TEXT = {
    BAD_READ_ONLY: "The MariaDB server is running with the --read-only option so it cannot execute this statement",
    LOCK_WAIT: "Lock wait timeout exceeded; try restarting transaction",
    TOO_LONG: "Data too long for column '{column}' at row 1",
    1191: "Can't find FULLTEXT index matching the column list",
}


class RestError(Exception):
    """An exception inside iTop: the answer is `{"code": code, "message": "Error: …"}`, without `objects`."""

    def __init__(self, message: str, code: int = INTERNAL_ERROR) -> None:
        self.message = message
        self.code = code
        super().__init__(message)


class RefusedError(Exception):
    """A refusal that the verb itself answers: `{"code": code, "message": "…", "objects": null}`, no "Error: "."""

    def __init__(self, message: str, code: int = INTERNAL_ERROR) -> None:
        self.message = message
        self.code = code
        super().__init__(message)


class PhpFatalError(Exception):
    """PHP gave up: HTTP 500 with a line of HTML (transcripts 079, 099, 143, 199, 385)."""


def describe_sql(query: str, errno: int, column: str = "") -> str:
    """iTop's text of a failed statement; it echoes the whole statement (transcripts 184, 433, 436, 500)."""
    reason = MYSQL_TEXT[errno].format(column=column)
    return f"Failed to issue SQL query: query = {query}, mysql_errno = {errno}, mysql_error = {reason}"


def wrap_issue(text: str, iclass: str, object_id: int) -> str:
    """A failed update tells its one issue twice (transcript 436)."""
    return f"{text}: id = {object_id}, class = {iclass}, issues = {{0=>{text}}}"
