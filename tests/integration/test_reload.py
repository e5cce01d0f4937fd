"""Routes that are switched while triage is at work."""

import json

from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.triage import Triage

CONFIGURATION = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
routes:
  - {name: one, topic: one, format: generic, factory: incident-siem, organization: EXC, spacing: 1s}
"""


def load(tmp_path, text=CONFIGURATION):
    path = tmp_path / "bridge.yaml"
    path.write_text(text)
    return load_routing(load_settings(path)).routes


class Journal(TriageJournal):
    """One in which a reload comes right after a route's profile was stored."""

    def then(self, reload):
        self._reload = reload

    async def record_profile(self, hashed, body):
        await super().record_profile(hashed, body)
        self._reload()


async def test_events_are_mapped_by_the_routes_whose_profiles_were_stored(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    try:
        payload = json.dumps({"id": "a", "title": "t"}).encode()
        await IntakeJournal(store).record_events(1, [Received(b"one", payload, 1.0, len(payload))])
        journal = Journal(store, lambda: 1.0)
        triage = Triage(journal, load(tmp_path), Alarms())
        newer = load(tmp_path, CONFIGURATION.replace("1s", "2s"))
        journal.then(lambda: setattr(triage, "routes", newer))
        assert await triage.step()
        (profile,) = await store.read(lambda sql: sql.execute("SELECT profile FROM cases").fetchone())
        assert profile != newer[0].profile.hash
        known = await store.read(lambda sql: [hashed for (hashed,) in sql.execute("SELECT hash FROM profiles")])
        assert known == [profile]
    finally:
        await store.close()
