"""A journal of cases whose clock a test sets."""

from landing import PROFILE

from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.triage.repeat import decide_landing


class CaseRig:
    def __init__(self, store):
        self.now = 1000.0
        self.store = store
        self.woken = 0
        self.triage = TriageJournal(store, lambda: self.now, self.wake)
        self.journal = DeliveryJournal(store, lambda: self.now)

    def wake(self):
        self.woken += 1

    async def land(self, *elements, profile=PROFILE):
        await self.triage.record_profile(profile.hash, profile.body)
        return await self.triage.record(elements, decide_landing, through=elements[-1].event_id)

    async def rows(self, query):
        return await self.store.read(lambda sql: [tuple(row) for row in sql.execute(query)])
