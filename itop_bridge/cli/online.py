"""`itop-bridge check --online`: asks broker and iTop whether they have what the configuration speaks of."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from itop_bridge.cli.control import say
from itop_bridge.command.output import escape
from itop_bridge.delivery.survey import Question
from itop_bridge.itop.client import Client
from itop_bridge.itop.connection import describe_connection
from itop_bridge.itop.pace import Pacer
from itop_bridge.settings.load import Loaded
from itop_bridge.trial.finding import Finding, Verdict
from itop_bridge.trial.inspection import Account, Paced, Subject, examine_itop
from itop_bridge.trial.visit import examine_broker
from itop_bridge.triage.load import Routing, load_routing

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
    """The broker first, then iTop. Raises ConfigurationError for certificates that cannot be used."""
    settings = loaded.settings
    for finding in await examine_broker(settings.mqtt, _list_filters(routing), loaded.locate):
        yield finding
    account = Account(
        settings.itop.user or "the owner of the token",
        loaded.locate("itop.address"),
        loaded.locate("itop.token" if settings.itop.auth == "token" else "itop.user"),
    )
    async with Client(describe_connection(settings.itop)) as client:
        paced = Paced(client, Pacer(settings.itop.rate))
        async for finding in examine_itop(paced, account, _list_subjects(loaded, routing)):
            yield finding


def _list_filters(routing: Routing) -> dict[str, list[str]]:
    """The routes' filters, each with the settings that name it."""
    filters: dict[str, list[str]] = {}
    for place, route in enumerate(routing.routes):
        filters.setdefault(route.pattern.filter, []).append(f"routes[{place}].topic")
    return filters


def _list_subjects(loaded: Loaded, routing: Routing) -> Sequence[Subject]:
    organizations = {route.name: str(route.organization) for route in loaded.settings.routes}
    return [
        Subject(
            Question(route.name, route.profile.writing, route.place),
            route.policy,
            organizations[route.name],
            _locate_rule(loaded, place, "organization"),
            _locate_rule(loaded, place, "resolve"),
        )
        for place, route in enumerate(routing.routes)
    ]


def _locate_rule(loaded: Loaded, place: int, key: str) -> str:
    """Where a route's rule stands: in the route, else in `defaults`."""
    path = f"routes[{place}].{key}"
    return loaded.locate(path if path in loaded.document.keys else f"defaults.{key}")
