"""Who may log in, and what each may do. Transcripts 021-036, 064-066, 244, 343-353, 650-659, 765-770, 915."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from itop_bridge.simulator.datamodel import ClassModel
from itop_bridge.simulator.failure import UNAUTHORIZED, RestError

ADMINISTRATOR = "Administrator"
REST = "REST Services User"
PORTAL = "Portal user"
SUPPORT_AGENT = "Support Agent"
SERVICE_DESK = "Service Desk Agent"
AUTHOR = "Document author"

_BESIDE_TICKETS = frozenset({"lnkFunctionalCIToTicket", "lnkContactToTicket", "Attachment"})
_AGENTS = frozenset({SUPPORT_AGENT, SERVICE_DESK})


@dataclass(slots=True, kw_only=True)
class Account:
    """One iTop user."""

    id: int
    login: str
    password: str = field(repr=False)
    profiles: frozenset[str]
    contact: int = 0
    """The id of the Person behind it; its name stands over log entries."""
    organizations: frozenset[int] | None = None
    """What it may see; None is everything."""
    enabled: bool = True

    @property
    def is_administrator(self) -> bool:
        return ADMINISTRATOR in self.profiles

    def may(self, verb: str, model: ClassModel) -> bool:
        """Whether it may do `creating`, `modifying` or `deleting` on the class. Agents work on tickets of any class."""
        if self.is_administrator:
            return True
        if not self.profiles & _AGENTS:
            return False
        if model.name in _BESIDE_TICKETS:
            return True
        return model.root == "Ticket" and not model.abstract and verb != "deleting"


def log_in(accounts: Mapping[str, Account], form: Mapping[str, str], authorization: str) -> Account:
    """The account of form fields auth_user and auth_pwd, or of HTTP Basic. Raises RestError with iTop's words."""
    login, password = _read_credentials(form, authorization)
    account = accounts.get(login)
    if account is None or not account.enabled or password is None or account.password != password:
        raise RestError("Invalid login", UNAUTHORIZED)
    if PORTAL in account.profiles:
        raise RestError("Portal user is not allowed", UNAUTHORIZED)
    if REST not in account.profiles:
        reason = f"(The profile {REST} is required to access the REST web services)"
        raise RestError(f"This user is not authorized to use the web services. {reason}", UNAUTHORIZED)
    return account


def _read_credentials(form: Mapping[str, str], authorization: str) -> tuple[str, str | None]:
    if "auth_user" in form:
        return form["auth_user"], form.get("auth_pwd")
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", None
    try:
        login, _, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", None
    return login, None if ":" in password else password  # iTop loses what follows a second colon (transcript 033)
