"""Who is written to about what: the configuration's mail, resolved and compiled."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from itop_bridge.alert import Severity
from itop_bridge.mail.server import Login, MailServer
from itop_bridge.mail.text import Pen, compile_pen
from itop_bridge.settings.mail import Mail, RouteMail
from itop_bridge.settings.model import Settings
from itop_bridge.settings.own_incident import OWN_ROUTE

ALWAYS = ("escalated", "arrived")
"""The kinds of notices that are wanted wherever anything is."""


@dataclass(frozen=True, slots=True)
class Circle:
    """Those who get the same mails: routes that agree in it share them."""

    recipients: tuple[str, ...]
    subject: str | None = None
    """A template of their own."""
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What is mailed of a route."""

    circle: Circle
    kinds: frozenset[str]
    """Of the notices: created, dead_letters, escalated, arrived."""
    escalate_after_s: float
    escalate_from: Severity


@dataclass(frozen=True, slots=True)
class Correspondence:
    """All that the mailer goes by."""

    server: MailServer
    sender: str
    rules: Mapping[str, Rules]
    """By route."""
    others: Rules
    """Of what belongs to no route that there is."""
    pens: Mapping[Circle, Pen]
    outages: tuple[str, ...]
    outage_after_s: float
    digest_s: float
    most_per_hour: int
    itop: str
    """iTop's address, for links."""

    def rules_of(self, route: str) -> Rules:
        """What holds for a route's name."""
        return self.rules.get(route, self.others)

    @property
    def least_after_s(self) -> float:
        """The shortest time after which any alert is escalated; 0: none is."""
        return min((each.escalate_after_s for each in self._all() if each.escalate_after_s), default=0.0)

    def _all(self) -> list[Rules]:
        return [*self.rules.values(), self.others]


def describe_correspondence(settings: Settings) -> Correspondence | None:
    """The mail of a configuration; None if it has none. Raises ExpressionError."""
    mail = settings.mail
    if mail is None:
        return None
    rules = {route.name: _resolve(mail.rules_of(route.mail)) for route in settings.routes}
    others = _resolve(mail.rules_of(None))
    if settings.own_incidents:  # what they tell of is mailed itself
        rules[OWN_ROUTE] = replace(others, kinds=others.kinds - {"created"})
    circles = {each.circle for each in (*rules.values(), others)}
    return Correspondence(
        server=describe_server(mail),
        sender=mail.sender,
        rules=MappingProxyType(rules),
        others=others,
        pens={circle: compile_pen(circle.subject, circle.text) for circle in circles},
        outages=mail.outages,
        outage_after_s=mail.outage_after,
        digest_s=mail.digest,
        most_per_hour=mail.most_per_hour,
        itop=settings.itop.address,
    )


def describe_server(mail: Mail) -> MailServer:
    """How the configuration's server is reached."""
    host, port = mail.address
    login = Login(mail.user, mail.password.reveal()) if mail.user and mail.password else None
    return MailServer(host, port, mail.security, mail.ca_file, login)


def _resolve(mail: RouteMail) -> Rules:
    kinds = frozenset((*mail.about, *ALWAYS)) if mail.enabled else frozenset[str]()
    after_s = mail.escalate_after if mail.enabled else 0.0
    circle = Circle(mail.recipients, mail.subject, mail.text)
    return Rules(circle, kinds, after_s, Severity.parse(mail.escalate_from))
