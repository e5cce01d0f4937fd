"""Replay on a real SQLite file, through the real triage, against the simulator."""

import base64
import contextlib
import json

import pytest
from world import World

from itop_bridge.control import replay
from itop_bridge.control.controls import Controls, Hooks, Stage
from itop_bridge.control.error import ControlError
from itop_bridge.control.operation import perform
from itop_bridge.control.request import Recorded, ReplayEvents, ReplayRecorded
from itop_bridge.journal.figure import Figures
from itop_bridge.journal.inquiry import Inquiry, LetterFilter
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.operation import Operations
from itop_bridge.journal.replay import Replays
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing
from itop_bridge.triage.triage import Triage

BASE = """\
mqtt: {host: localhost}
itop: {address: "https://itop.example", user: u, password: p}
defaults: {organization: EXC, group_interval: 1s}
routes:
"""
ONE = "  - {name: one, topic: one, format: generic, factory: incident-siem, group_by: [rule]}\n"
PICKY = ONE.replace("group_by", "when: alert.severity >= 'critical', group_by")
STRICT = ONE.replace("group_by", "when: raw.level > 3, group_by")
RENAMED = ONE.replace("name: one", "name: renamed")
BOTH = ONE.replace("group_by", "continue: true, group_by") + ONE.replace("name: one", "name: two")


class Site(World):
    """A world whose alerts come as messages, and whose operator replays them."""

    folder = None
    text = ONE

    async def compose(self):
        await super().compose()
        self.told = []
        self.stage = Triage(TriageJournal(self.life, self.clock), self.routes(), self.alarms)
        self.inquiry = Inquiry(self.store, self.clock)
        self.controls = Controls(
            self.inquiry,
            Operations(self.store, self.clock),
            Figures(self.store),
            lambda: [route.name for route in self.stage.routes],
            Hooks(None, None),
            self.map_meanwhile,
            Stage(
                Replays(self.store, self.stage.wake, self.clock),
                TriageJournal(self.store, self.clock),
                lambda: self.stage.routes,
            ),
        )

    def routes(self):
        path = self.folder / "bridge.yaml"
        path.write_text(BASE + self.text)
        return load_routing(load_settings(path)).routes

    def mend(self, text):
        self.text = text
        self.stage.routes = self.routes()

    async def publish(self, *alerts, topic="one"):
        """A message of one alert, or of several."""
        payload = alerts[0] if isinstance(alerts[0], bytes) else json.dumps(list(alerts)).encode()
        intake = IntakeJournal(self.store)
        connection = await intake.open_connection(session_present=False)
        await intake.record_events(connection, [Received(topic.encode(), payload, self.now, len(payload))])
        await self.map_meanwhile(0)

    async def map_meanwhile(self, _seconds):
        while await self.stage.step():
            pass

    async def tell(self, done, total):
        self.told.append((done, total))

    async def replay(self, **wanted):
        return await perform(ReplayEvents(**{"since": 0.0, **wanted}), self.controls, self.tell)

    async def take(self, *payloads, topic="one", **wanted):
        met = {}
        alerts = []
        for payload in payloads:
            encoded = base64.b64encode(payload if isinstance(payload, bytes) else json.dumps(payload).encode()).decode()
            alerts.append(Recorded(encoded, met.setdefault(encoded, 0)))
            met[encoded] += 1
        return await perform(ReplayRecorded(topic, tuple(alerts), **wanted), self.controls, self.tell)

    async def letters(self):
        found = await self.inquiry.fetch_letters(LetterFilter(state="all"))
        return [(letter["idx"], letter["state"], letter["reason"]) for letter in found]

    async def rows(self, query):
        return await self.store.read(lambda sql: [tuple(row) for row in sql.execute(query)])

    async def landed(self):
        return await self.rows("SELECT event_id, idx, n FROM intents ORDER BY seq")

    async def drops(self):
        return await self.rows("SELECT event_id, idx, reason FROM drops ORDER BY event_id, idx")


@pytest.fixture
def opened(tmp_path):
    @contextlib.asynccontextmanager
    async def open_site(text=ONE):
        Site.folder = tmp_path
        Site.text = text
        async with Site.open(tmp_path / "journal.db") as site:
            yield site

    return open_site


def alert(number=1, **changes):
    facts = {"id": f"a{number}", "title": f"T {number}", "severity": "high", "rule": f"r{number}"}
    return {**facts, "status": "firing", **changes}


def counts(answer):
    return {name: answer[name] for name in ("landed", "landed_before", "dropped", "dead", "given_up") if answer[name]}


# events of the journal


async def test_what_was_filtered_lands_under_the_configuration_of_now(opened):
    async with opened(PICKY) as site:
        await site.publish(alert(1), alert(2, severity="critical"))
        assert await site.drops() == [(1, 0, "filtered")]
        site.mend(ONE)
        answer = await site.replay()
        assert (answer["events"], counts(answer)) == (1, {"landed": 1, "landed_before": 1})
        assert await site.drops() == []
        assert sorted(await site.landed()) == [(1, 0, 0), (1, 1, 0)]
        await site.settle()
        assert len(site.incidents) == 2


async def test_a_replay_that_is_given_again_changes_nothing(opened):
    async with opened(PICKY) as site:
        await site.publish(alert(1))
        site.mend(ONE)
        await site.replay()
        await site.settle()
        answer = await site.replay()
        assert counts(answer) == {"landed_before": 1}
        await site.settle()
        assert len(site.incidents) == len(site.entries()) == 1


async def test_what_landed_does_not_land_again_under_another_name_of_its_route(opened):
    async with opened() as site:
        await site.publish(alert(1))
        site.mend(RENAMED)
        assert counts(await site.replay()) == {"landed_before": 1}
        assert await site.landed() == [(1, 0, 0)]


async def test_a_route_that_was_added_since_takes_nothing_that_landed(opened):
    async with opened() as site:
        await site.publish(alert(1))
        site.mend(BOTH)
        assert counts(await site.replay()) == {"landed_before": 2}


async def test_a_dead_letter_lands_and_is_settled_in_the_same_commit(opened):
    async with opened(STRICT) as site:
        await site.publish(alert(1, level="much"), alert(2, level=5))
        assert await site.letters() == [(0, "open", "expression_failed")]
        site.mend(ONE)
        assert counts(await site.replay()) == {"landed": 1, "landed_before": 1}
        assert await site.letters() == [(0, "retried", "expression_failed")]
        assert sorted(await site.landed()) == [(1, 0, 0), (1, 1, 0)]


async def test_a_message_that_could_not_be_read_lands_with_all_of_its_elements(opened):
    async with opened() as site:
        await site.publish(alert(1), alert(2), topic="elsewhere")
        assert await site.letters() == [(0, "open", "no_route")]
        site.mend(ONE.replace("topic: one", "topic: elsewhere"))
        assert counts(await site.replay()) == {"landed": 2}
        assert await site.letters() == [(0, "retried", "no_route")]


async def test_a_dead_letter_that_fails_again_stays_open_with_the_reason_of_now(opened):
    async with opened() as site:
        await site.publish(b"{not json")
        site.mend(ONE.replace("topic: one", "topic: elsewhere"))
        for _ in range(2):
            assert counts(await site.replay()) == {"dead": 1}
            assert await site.letters() == [(0, "open", "no_route")]


async def test_what_was_dropped_on_purpose_makes_no_dead_letter(opened):
    async with opened(PICKY) as site:
        await site.publish(alert(1, level="much"))
        site.mend(STRICT)
        assert counts(await site.replay()) == {"dropped": 1}
        assert await site.letters() == []
        assert await site.drops() == [(1, 0, "filtered")]


async def test_what_an_operator_gave_up_is_left_alone(opened):
    async with opened(STRICT) as site:
        await site.publish(alert(1, level="much"))
        await site.controls.operations.drop_letters([1])
        site.mend(ONE)
        assert counts(await site.replay()) == {"given_up": 1}
        assert await site.landed() == []


async def test_a_repeat_is_a_repeat_in_a_replay_too(opened):
    async with opened() as site:
        await site.publish(alert(1))
        site.advance(1)
        await site.publish(alert(1))
        assert await site.drops() == [(2, 0, "repeat")]
        assert counts(await site.replay()) == {"landed_before": 1, "dropped": 1}
        assert await site.drops() == [(2, 0, "repeat")]


async def test_an_alert_that_was_resolved_since_opens_nothing(opened):
    async with opened(PICKY) as site:
        await site.publish(alert(1))
        site.advance(60)
        site.mend(ONE)
        await site.publish(alert(1, severity="critical"))
        site.advance(60)
        await site.publish(alert(1, status="resolved"))
        assert counts(await site.replay()) == {"landed_before": 2, "dropped": 1}
        assert await site.drops() == [(1, 0, "already_resolved")]


async def test_an_episode_that_was_filtered_as_a_whole_is_opened_and_resolved(opened):
    async with opened(PICKY) as site:
        await site.publish(alert(1))
        site.advance(60)
        await site.publish(alert(1, status="resolved"))
        assert [reason for *_, reason in await site.drops()] == ["filtered", "filtered"]
        site.mend(ONE)
        assert counts(await site.replay()) == {"landed": 2}
        await site.settle()
        await site.settle(60)
        assert site.incident()["status"] == "resolved"


async def test_only_what_was_received_in_the_time_is_replayed(opened):
    async with opened(PICKY) as site:
        start = site.now
        for number in range(1, 6):
            await site.publish(alert(number))
            site.advance(60)
        site.mend(ONE)
        answer = await site.replay(since=start + 60, until=start + 180)
        assert (answer["events"], counts(answer)) == (2, {"landed": 2})
        assert [event_id for event_id, *_ in await site.landed()] == [2, 3]
        assert (await site.replay(since=start + 1_000))["events"] == 0


async def test_only_what_goes_to_a_route_now_is_replayed(opened):
    both = PICKY + PICKY.replace("one", "two")
    async with opened(both) as site:
        await site.publish(alert(1))
        await site.publish(alert(2), topic="two")
        site.mend(both.replace("when: alert.severity >= 'critical', ", ""))
        assert counts(await site.replay(route="two")) == {"landed": 1}
        assert await site.landed() == [(2, 0, 0)]
        with pytest.raises(ControlError, match="did you mean two"):
            await site.replay(route="twoo")


async def test_what_still_waits_for_triage_is_left_to_it(opened):
    async with opened() as site:
        intake = IntakeJournal(site.store)
        payload = json.dumps(alert(1)).encode()
        await intake.record_events(1, [Received(b"one", payload, site.now, len(payload))])
        assert (await site.replay())["events"] == 0
        await site.map_meanwhile(0)
        assert await site.landed() == [(1, 0, 0)]


async def test_of_a_pruned_event_there_is_nothing_to_replay(opened):
    async with opened(PICKY) as site:
        await site.publish(alert(1))
        await site.publish(alert(2))
        await site.store.write(lambda sql: sql.execute("UPDATE events SET payload = NULL WHERE id = 1").rowcount)
        site.mend(ONE)
        answer = await site.replay()
        assert (answer["events"], answer["pruned"], counts(answer)) == (1, 1, {"landed": 1})


async def test_a_dry_run_tells_each_and_stores_nothing(opened):
    async with opened(PICKY) as site:
        await site.publish(alert(1))
        site.advance(1)
        await site.publish(alert(1))
        await site.publish(b"{not json")
        before = [await site.rows(f"SELECT * FROM {table}") for table in ("intents", "drops", "dead_letters", "alerts")]
        site.mend(ONE)
        answer = await site.replay(dry_run=True, verbose=True)
        assert counts(answer) == {"landed": 1, "dropped": 1, "dead": 1}
        told = [(e["event_id"], e["outcome"], e["reason"], e["route"], e["alert"]) for e in answer["elements"]]
        assert told == [
            (1, "landed", None, "one", "a1"),
            (2, "dropped", "repeat", "one", "a1"),
            (3, "dead", "invalid_json", "one", None),
        ]
        after = [await site.rows(f"SELECT * FROM {table}") for table in ("intents", "drops", "dead_letters", "alerts")]
        assert after == before
        assert counts(await site.replay()) == counts(answer)


async def test_a_dry_run_in_parts_comes_to_what_the_replay_does(opened, monkeypatch):
    monkeypatch.setattr(replay, "_PART", 1)
    monkeypatch.setattr(replay, "_MOST_EVENTS", 1)
    async with opened(PICKY) as site:
        for _ in range(3):
            await site.publish(alert(1), alert(2))
        site.mend(ONE)
        rehearsed = await site.replay(dry_run=True)
        assert counts(rehearsed) == {"landed": 2, "dropped": 4}
        assert site.told == [(0, 3), (1, 3), (2, 3), (3, 3)]
        assert await site.replay() == rehearsed


async def test_a_replay_that_was_broken_off_and_is_given_again_lands_each_once(opened, monkeypatch):
    monkeypatch.setattr(replay, "_MOST_EVENTS", 2)
    async with opened(PICKY) as site:
        for number in range(6):
            await site.publish(alert(number))
        site.mend(ONE)

        async def break_off(done, _total):
            if done >= 4:
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await perform(ReplayEvents(0.0), site.controls, break_off)
        assert len(await site.landed()) == 4
        assert counts(await site.replay()) == {"landed": 2, "landed_before": 4}
        assert len(set(await site.landed())) == len(await site.landed()) == 6


# recorded alerts


async def test_recorded_alerts_become_events_and_incidents(opened):
    async with opened() as site:
        answer = await site.take(alert(1), alert(2), b"{not json")
        assert (answer["taken"], answer["known"]) == (3, 0)
        assert (answer["landed"], answer["dropped"], answer["dead"], answer["waiting"]) == (2, 0, 1, 0)
        await site.settle()
        assert len(site.incidents) == 2


async def test_a_recording_that_is_given_again_is_taken_in_once(opened):
    async with opened() as site:
        undated = {"title": "no id, no time", "severity": "high", "rule": "r"}
        assert (await site.take(undated, undated))["landed"] == 2
        again = await site.take(undated, undated, undated, alert(1))
        assert (again["taken"], again["known"]) == (2, 2)
        assert len(await site.landed()) == 4


async def test_the_same_payload_by_another_topic_is_another_alert(opened):
    async with opened(ONE + ONE.replace("one", "two")) as site:
        await site.take(alert(1))
        assert (await site.take(alert(1), topic="two"))["taken"] == 1


async def test_a_recorded_alert_that_came_before_is_a_repeat(opened):
    async with opened() as site:
        await site.publish(alert(1))
        answer = await site.take([alert(1)])
        assert (answer["taken"], answer["landed"], answer["dropped"]) == (1, 0, 1)


async def test_a_recording_by_a_topic_that_no_route_has_is_refused(opened):
    async with opened() as site:
        with pytest.raises(ControlError, match="no route has the topic 'onee'"):
            await site.take(alert(1), topic="onee")
        assert await site.rows("SELECT * FROM events") == []


async def test_a_dry_run_of_a_recording_takes_nothing_in(opened):
    async with opened() as site:
        await site.take(alert(1))
        answer = await site.take(alert(1), alert(2), alert(2), b"{not json", dry_run=True, verbose=True)
        assert (answer["taken"], answer["known"], counts(answer)) == (3, 1, {"landed": 1, "dropped": 1, "dead": 1})
        assert [(e["event_id"], e["outcome"]) for e in answer["elements"]] == [
            (-2, "landed"),
            (-3, "dropped"),
            (-4, "dead"),
        ]
        assert len(await site.rows("SELECT * FROM events")) == 1


async def test_what_was_replayed_is_never_taken_for_a_message_that_the_broker_sends_again(opened):
    async with opened() as site:
        payload = json.dumps(alert(1)).encode()
        message = Received(b"one", payload, site.now, len(payload))
        intake = IntakeJournal(site.store)
        await intake.record_events(await intake.open_connection(session_present=False), [message])
        await site.take(alert(1), alert(2))
        connection = await intake.open_connection(session_present=True)
        assert await intake.record_events(connection, [message]) == 0
        assert await intake.record_events(connection, [message]) == 1


async def test_a_recording_can_be_taken_in_anew_once_its_events_are_gone(opened):
    async with opened() as site:
        await site.take(alert(1))
        await site.store.write(lambda sql: sql.execute("DELETE FROM events").rowcount)
        assert await site.rows("SELECT * FROM replays") == []
        assert (await site.take(alert(1)))["taken"] == 1
