"""`itop-bridge check --online`: asks broker and iTop whether they have what the configuration speaks of.

At the mail server it only logs in.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from itop_bridge.cli.control import say
from itop_bridge.command.output import escape
from itop_bridge.delivery.survey import Question
from itop_bridge.itop.client import Client
from itop_bridge.itop.connection import describe_connection
from itop_bridge.itop.pace import Pacer
from itop_bridge.settings.load import Loaded
from itop_bridge.settings.own_incident import OWN_ROUTE
from itop_bridge.triage.load import Routing, load_routing
from itop_bridge.triage.route import Route
from itop_bridge.trial.finding import Finding, Verdict
from itop_bridge.trial.inspection import Account, Paced, Subject, examine_itop
from itop_bridge.trial.mail import examine_mail
from itop_bridge.trial.visit import examine_broker

_WRONG = 78
_UNREACHED = 1


def run_online(loaded: Loaded) -> int:
    """Print a line per finding. 78 if anything is wrong, else 1 if broker or iTop could not be reached."""
    verdicts = asyncio.run(_tell(examine(loaded, load_routing(loaded))))
    if Verdict.WRONG in verdicts:
        return _WRONG
    return _UNREACHED if Verdict.UNREACHED in verdicts else 0


async def _tell(findings: AsyncIterator[Finding]) -> set[Verdict]:
    verdicts = set()
    async for finding in findings:
        verdicts.add(finding.verdict)
        say(f"{finding.verdict:<9} {finding.place}: {escape(finding.text)}")
    return verdicts


async def examine(loaded: Loaded, routing: Routing) -> AsyncIterator[Finding]:
    """Broker, mail server, iTop, in this order. Raises ConfigurationError for certificates that cannot be used."""
    settings = loaded.settings
    for finding in await examine_broker(settings.mqtt, _list_filters(loaded), loaded.locate):
        yield finding
    if settings.mail:
        yield await examine_mail(settings.mail, loaded.locate)
    account = Account(
        settings.itop.user or "the owner of the token",
        loaded.locate("itop.address"),
        loaded.locate("itop.token" if settings.itop.auth == "token" else "itop.user"),
    )
    async with Client(describe_connection(settings.itop)) as client:
        paced = Paced(client, Pacer(settings.itop.rate))
        async for finding in examine_itop(paced, account, _list_subjects(loaded, routing)):
            yield finding


def _list_filters(loaded: Loaded) -> dict[str, list[str]]:
    """The routes' filters, each with the settings that name it."""
    filters: dict[str, list[str]] = {}
    for index, route in enumerate(loaded.settings.routes):
        filters.setdefault(route.pattern.filter, []).append(f"routes[{index}].topic")
    return filters


def _list_subjects(loaded: Loaded, routing: Routing) -> Sequence[Subject]:
    compiled = {route.name: route for route in routing.routes}
    subjects = [
        Subject(
            Question(route.name, compiled[route.name].profile.writing, _place_of(loaded, index, compiled[route.name])),
            compiled[route.name].policy,
            str(route.organization),
            _locate_rule(loaded, index, "organization"),
            _locate_rule(loaded, index, "resolve"),
        )
        for index, route in enumerate(loaded.settings.routes)
    ]
    own, section = compiled.get(OWN_ROUTE), loaded.settings.own_incidents
    if own and section:
        question = Question(own.name, own.profile.writing, own.place)
        place = loaded.locate("own_incidents")
        subjects.append(Subject(question, own.policy, str(section.organization), place, place))
    return subjects


def _place_of(loaded: Loaded, index: int, route: Route) -> Callable[[str], str]:
    """Where an attribute is set: a reference at the factory's setting that has its name, all else as the route says."""
    keys = {value: key for key, value in loaded.settings.routes[index].settings.items() if isinstance(value, str)}
    named = {attribute: keys[name] for attribute, _, name in route.profile.writing.references if name in keys}

    def place(attribute: str) -> str:
        if attribute in named:
            return loaded.locate(f"routes[{index}].settings.{named[attribute]}")
        return route.place(attribute)

    return place


def _locate_rule(loaded: Loaded, index: int, key: str) -> str:
    """Where a route's rule stands: in the route, else in `defaults`."""
    path = f"routes[{index}].{key}"
    return loaded.locate(path if path in loaded.document.keys else f"defaults.{key}")
