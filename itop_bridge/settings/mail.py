"""Mail: the server, whom the bridge writes to, and about what. Each attribute is a key of the file."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, Strict, ValidationInfo, field_validator

from itop_bridge.errors import ExpressionError
from itop_bridge.settings.address import Listen
from itop_bridge.settings.place import InputFile
from itop_bridge.settings.secret import Secret
from itop_bridge.settings.section import FILLED, Count, Lines, Section, Text, check_only_with
from itop_bridge.settings.unit import Duration

MAIL_NAMES = ("alarms", "bridge", "count", "counts", "items", "kind", "more")
"""What the templates of a mail see."""

MOST_SUBJECT_CHARS = 200
MOST_TEXT_CHARS = 60_000

Outage = Literal[
    "broker_refused",
    "broker_unreachable",
    "broker_unstable",
    "client_id_in_use",
    "configuration_rejected",
    "daemon_stalled",
    "delivery_paused",
    "itop_mismatch",
    "itop_not_allowed",
    "itop_read_refused",
    "itop_unreachable",
    "journal_full",
    "journal_wal_grows",
    "source_silent",
    "subscription_refused",
    "triage_behind",
]
"""The alarms that may be told as outages: those that last until their cause is gone."""

_USUAL_OUTAGES: tuple[Outage, ...] = (
    "broker_refused",
    "broker_unreachable",
    "broker_unstable",
    "client_id_in_use",
    "daemon_stalled",
    "itop_not_allowed",
    "itop_read_refused",
    "itop_unreachable",
    "journal_full",
    "source_silent",
    "subscription_refused",
    "triage_behind",
)
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}")


def parse_server(text: str) -> tuple[str, int | None]:
    """`host`, `host:port` or `[::1]:port`; the port is None where none is given. Raises ValueError."""
    host, found, port = text.rpartition(":")
    if not found or text.endswith("]") or (":" in host and not host.startswith("[")):
        return text.strip("[]"), None
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError(f"{text!r} is no host:port")
    return host.strip("[]"), int(port)


def _check_server(text: str) -> str:
    try:
        parse_server(text)
    except ValueError:
        raise ValueError("must be host or host:port, such as mail.example:587") from None
    return text


def _check_address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("must be a mail address such as soc@example.com, without a name")
    return text


def _check_template(text: str, most_chars: int) -> str:
    from itop_bridge.expression import compile_text  # noqa: PLC0415 - heavy, and for who has templates only

    try:
        compile_text(text, html=False, max_chars=most_chars, names=MAIL_NAMES)
    except ExpressionError as error:
        raise ValueError(str(error)) from error
    return text


Address = Annotated[str, Strict(), AfterValidator(_check_address)]


class MailKeys(Section):
    """What `mail` and the `mail` of a route may say; a route's value wins."""

    recipients: tuple[Address, ...] = ()
    """Who gets it: addresses."""
    about: tuple[Literal["created", "dead_letters"], ...] = ("created", "dead_letters")
    """What is told of a route beside alerts that are late: incidents that were made, dead letters."""
    escalate_after: Annotated[float, Duration(most="1d")] = 600.0
    """An alert that is not in iTop so long after it was received is mailed itself; 0: none is."""
    escalate_from: Literal["informational", "low", "medium", "high", "critical"] = "high"
    """From which severity on."""
    subject: Annotated[Lines, AfterValidator(lambda text: _check_template(text, MOST_SUBJECT_CHARS))] | None = None
    """A template of one's own for the subject of what is told of alerts, incidents and dead letters."""
    text: Annotated[Lines, AfterValidator(lambda text: _check_template(text, MOST_TEXT_CHARS))] | None = None
    """The same for the text."""


class RouteMail(MailKeys):
    """The mail about one route. What it does not say, the section `mail` says."""

    enabled: Annotated[bool, Strict()] = True
    """Whether anything of this route is mailed."""

    def inherit(self, mail: MailKeys) -> Self:
        """The rules of the route with what it does not say filled in."""
        unsaid = MailKeys.model_fields.keys() - self.model_fields_set
        return self.model_copy(update={name: getattr(mail, name) for name in unsaid})


class Mail(MailKeys):
    """The mail server, and what holds for every route that does not say otherwise."""

    server: Annotated[Text, AfterValidator(_check_server)]
    """host or host:port; without a port 587, with `security: tls` 465, with none 25."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """TLS with the server verified: by STARTTLS or from the start; none is for a server on this machine."""
    ca_file: InputFile | None = None
    """Certificates of the authorities that the server is verified by; without it the system's."""
    user: Text | None = None
    """Whom we log in as; without it nobody."""
    password: Annotated[Secret | None, Field(validate_default=True)] = None
    """{file: NAME} or {env: NAME}."""
    sender: Address
    """Whom the mails are from: an address."""
    recipients: Annotated[tuple[Address, ...], *FILLED]
    """Who gets them: addresses."""
    outages: Annotated[tuple[Outage, ...], Field(validate_default=False)] = _USUAL_OUTAGES
    """The alarms that are told when they last; []: none."""
    outage_after: Annotated[float, Duration(least="10s", most="1d")] = 600.0
    """How long such an alarm has to last."""
    digest: Annotated[float, Duration(most="1h")] = 60.0
    """What comes within so long is one mail."""
    most_per_hour: Annotated[Count, Field(ge=1, le=1000)] = 30
    """The most mails in an hour; what is over waits, and is summed up in the next."""

    @field_validator("ca_file")
    @classmethod
    def _belongs_to_tls(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("security") == "none":
            raise ValueError("is of no use with security: none")
        return value

    @field_validator("user")
    @classmethod
    def _travels_safely(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("security") == "none" and not _is_here(info.data.get("server", "")):
            raise ValueError("its password would travel in clear: use security: starttls or tls")
        return value

    @field_validator("password")
    @classmethod
    def _belongs_to_user(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.data.get("user") is not None:
            raise ValueError("missing: user needs it")
        return check_only_with("user", value, info)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = parse_server(self.server)
        return host, port or _PORTS[self.security]

    @property
    def is_exposed(self) -> bool:
        """Whether alerts travel in clear to another machine."""
        return self.security == "none" and not _is_here(self.server)

    def rules_of(self, route: RouteMail | None) -> RouteMail:
        """What holds for a route."""
        return (route or RouteMail()).inherit(self)


def _is_here(server: str) -> bool:
    host, _ = parse_server(server)
    return Listen(host, 0).is_loopback
