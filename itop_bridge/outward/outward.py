"""What is published, as one part of the daemon."""

from dataclasses import dataclass

from itop_bridge.journal.result import ResultJournal
from itop_bridge.outward.presence import Presence
from itop_bridge.outward.publisher import Publisher
from itop_bridge.settings.model import Settings
from itop_bridge.settings.own_incident import OWN_ROUTE


@dataclass(frozen=True, slots=True)
class Outward:
    """Presence and results."""

    presence: Presence
    publisher: Publisher
    results: ResultJournal

    async def follow(self, settings: Settings) -> None:
        """Record results of the routes that want them, link to iTop where it is, and try again what the broker refused.

        `mqtt` is that of the start. Raises JournalFullError.
        """
        self.publisher.itop_address = settings.itop.address
        self.presence.forgive()
        self.publisher.forgive()
        routes = [route.name for route in settings.routes if route.results]
        if settings.own_incidents and settings.own_incidents.results:
            routes.append(OWN_ROUTE)
        await self.results.record_answered(routes, who_asks=self.publisher.answers_who_asks)

    async def greet(self) -> None:
        """A connection has subscribed. Raises BrokerError."""
        await self.presence.tell()
        self.publisher.greet()
