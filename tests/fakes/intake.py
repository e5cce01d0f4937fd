"""What the tests of intake stand it on: settings of a broker on this machine, and a journal without a disk."""

from dataclasses import dataclass, field

from itop_bridge.settings.model import Mqtt


def settings_for(port: int, **changes) -> Mqtt:
    """The `mqtt` settings of a broker on this machine; not validated, so that bounds can be tested small."""
    return Mqtt.model_construct(**{"host": "127.0.0.1", "port": port} | changes)


@dataclass
class MemoryJournal:
    """Keeps events in a list; `errors` are raised first, one for each batch."""

    filters: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    events: list = field(default_factory=list)
    batches: list = field(default_factory=list)
    """Each batch that was handed in, stored or not."""
    sessions: list[bool] = field(default_factory=list)
    acknowledged: int = 0
    """The connection of which the broker has read every acknowledgement."""
    redelivery_ended: bool = False

    async def open_connection(self, *, session_present):
        self.sessions.append(session_present)
        return len(self.sessions)

    async def record_events(self, connection, batch):
        self.batches.append([message.payload for message in batch])
        if self.errors:
            raise self.errors.pop(0)
        self.events += batch
        return len(batch)

    async def fetch_filters(self):
        return self.filters

    async def record_filters(self, filters):
        self.filters = list(filters)

    async def record_acknowledged(self, connection):
        self.acknowledged = connection

    def end_redelivery(self):
        self.redelivery_ended = True
