"""The alert that opens an incident is attached to it once, whatever happens, and never at the cost of incidents."""

import asyncio
import base64
import contextlib
import json

import pytest
from rig import TIME_LIMIT_S, profile_of
from world import World

from itop_bridge.delivery.attachment import BUSY_S, CLASS, HELD_S, MOST_TRIES, REFUSED_S, Attachments
from itop_bridge.delivery.attempt import Pace
from itop_bridge.delivery.delivery import Delivery
from itop_bridge.itop.error import CredentialsError
from itop_bridge.itop.operation import Operations
from itop_bridge.journal.attachment import AttachmentJournal
from itop_bridge.journal.intake import IntakeJournal, Received
from itop_bridge.journal.operation import Operations as Commands
from itop_bridge.journal.retention import Retention
from itop_bridge.settings.policy import Attach, Policy
from itop_bridge.simulator.account import REST

MOST = 2_000
DAY = 86_400.0
RAW = b'{"id": "a1", "title": "<script>alert(1)</script>"}'


class Site(World):
    """A world whose alerts have payloads, and that attaches them."""

    in_shadow = False

    async def compose(self):
        await super().compose()
        pace = Pace(10.0, TIME_LIMIT_S, self.clock, self.clock, self.dice.random, self.sleep)
        queue = AttachmentJournal(self.life, self.clock)
        self.attachments = Attachments(queue, self.gate, self.alarms, pace, shadow=self.in_shadow)
        if self.in_shadow:
            self.delivery = Delivery(self.journal, self.gate, self.alarms, pace, shadow=True)

    async def start(self):
        await super().start()
        await self.attachments.recover()

    async def alert(self, payload=RAW, *, size=None, group="g", alert_id="a1"):
        """An alert as it came, and what triage makes of it: each is an event of its own."""
        intake = IntakeJournal(self.store)
        connection = await intake.open_connection(session_present=False)
        await intake.record_events(connection, [Received(b"t", payload, self.now, size or len(payload))])
        await self.fires(alert_id, group=group)

    async def attach(self, most=20):
        """Until nothing is due at this moment; True if anything was."""
        for rounds in range(most):
            if not await self.attachments.step():
                return rounds > 0
        raise AssertionError("a hot loop: attaching does not come to rest")

    async def open_incident(self, **alert):
        await self.alert(**alert)
        await self.settle()

    async def rows(self):
        rows = await self.store.read(lambda sql: list(sql.execute("SELECT state, due FROM attachments ORDER BY id")))
        return [tuple(row) for row in rows]

    @property
    def files(self):
        return [(each["item_id"], each["contents"]["filename"]) for each in self.simulator.objects(CLASS)]

    def only_file(self):
        (only,) = self.simulator.objects(CLASS)
        return only["contents"]


class Dropped(Operations):
    """A PHP that drops what is attached."""

    def __init__(self, way):
        self._way = way

    async def call(self, operation):
        if (operation["operation"], operation.get("class")) == ("core/create", CLASS):
            raise CredentialsError("Invalid login", code=1)
        return await self._way.call(operation)


def policy(**changes):
    return profile_of(Policy(attach=Attach(MOST), **changes))


@pytest.fixture
async def site(tmp_path):
    async with Site.open(tmp_path / "journal.db", policy()) as opened:
        yield opened


async def test_the_alert_that_opened_an_incident_is_attached_as_it_came(site):
    await site.open_incident()
    await site.attach()
    (only,) = site.simulator.objects(CLASS)
    incident = site.incident()
    assert (only["item_class"], only["item_id"], only["item_org_id"]) == ("Incident", str(incident["id"]), "2")
    assert only["contents"]["filename"] == "alert-1.json"
    assert only["contents"]["mimetype"] == "application/json"
    assert base64.b64decode(only["contents"]["data"]) == RAW
    assert await site.rows() == [("done", None)]


async def test_of_a_long_alert_the_head_is_attached_and_its_name_says_so(site):
    payload = json.dumps({"id": "a1", "padding": "x" * 2 * MOST}).encode()
    await site.open_incident(payload=payload)
    await site.attach()
    assert site.only_file()["filename"] == "alert-1-first-2000B.txt"
    assert site.only_file()["mimetype"] == "text/plain"
    assert base64.b64decode(site.only_file()["data"]) == payload[:MOST]


async def test_only_the_first_of_many_alerts_of_an_incident_is_attached(site):
    for number in range(3):
        await site.alert(b'{"n": %d}' % number, alert_id=f"a{number}")
    await site.settle()
    await site.alert(b'{"n": 4}', alert_id="a4")
    await site.live(3_600)
    await site.attach()
    assert site.files == [("1", "alert-1.json")]


async def test_a_route_that_does_not_say_so_attaches_nothing(tmp_path):
    async with Site.open(tmp_path / "journal.db", profile_of()) as site:
        await site.open_incident()
        assert await site.rows() == []


async def test_an_incident_whose_creation_was_found_only_later_has_its_alert_too(site):
    site.break_("timeout_after", "core/create", 1)
    await site.open_incident()
    assert await site.rows() == []
    await site.live(2 * TIME_LIMIT_S)
    await site.attach()
    assert site.files == [("1", "alert-1.json")]


# exactly once


@pytest.mark.parametrize("kind", ["timeout_after", "reset_after", "truncate", "bad_gzip"])
async def test_an_answer_that_is_lost_makes_no_second_one(site, kind):
    await site.open_incident()
    site.break_(kind, "core/create", 1)
    await site.attach()
    assert len(site.files) == 1
    assert (await site.rows())[0][0] == "unknown"
    await site.attach()
    site.advance(TIME_LIMIT_S + 1)
    await site.attach()
    assert len(site.files) == 1
    assert await site.rows() == [("done", None)]


async def test_one_that_iTop_carries_out_late_is_not_sent_again_before_it_may_be_there(site):  # noqa: N802 - its name
    await site.open_incident()
    site.break_("late", "core/create", 1, delay=TIME_LIMIT_S - 1)
    await site.attach()
    assert site.files == []
    await site.pass_time(TIME_LIMIT_S - 2)
    assert not await site.attach()
    await site.pass_time(5)
    await site.attach()
    assert len(site.files) == 1


@pytest.mark.parametrize("kind", ["refuse", "reset_before", "http_500", "http_502", "html_200"])
async def test_one_that_did_not_arrive_is_sent_again(site, kind):
    await site.open_incident()
    site.break_(kind, "core/create", 1)
    await site.attach()
    assert site.files == []
    site.advance(TIME_LIMIT_S + HELD_S)
    await site.attach()
    assert len(site.files) == 1


async def test_a_file_of_that_name_that_is_there_is_not_attached_again(site):
    """As after a journal was restored from a copy."""
    await site.open_incident()
    await site.attach()
    await site.store.write(lambda sql: sql.execute("UPDATE attachments SET state = 'pending', due = 0").rowcount)
    await site.attach()
    assert len(site.files) == 1
    assert await site.rows() == [("done", None)]


async def test_files_of_people_do_not_pass_for_it(site):
    await site.open_incident()
    fields = {"item_class": "Incident", "item_id": 1, "item_org_id": 2}
    contents = {"data": "aGVsbG8=", "mimetype": "text/plain", "filename": "alert-1.json.txt"}
    await site.gate.create(CLASS, {**fields, "contents": contents}, comment="c", output_fields="id")
    await site.attach()
    assert [name for _, name in site.files] == ["alert-1.json.txt", "alert-1.json"]


@pytest.mark.parametrize(("kind", "files"), [("reset_after", 2), ("reset_before", 1), (None, 2)])
async def test_where_iTop_does_not_tell_names_there_is_rather_none_than_two(site, kind, files):  # noqa: N802 - its name
    await site.open_incident()
    fields = {"item_class": "Incident", "item_id": 1, "item_org_id": 2, "contents": "no object"}
    await site.gate.create(CLASS, fields, comment="c", output_fields="id")
    if kind:
        site.break_(kind, "core/create", 1)
    await site.attach()
    site.advance(TIME_LIMIT_S + HELD_S)
    await site.attach()
    assert len(site.simulator.objects(CLASS)) == files
    assert await site.rows() == [("done", None)]


@pytest.mark.parametrize("points", range(16))
async def test_whenever_the_process_dies_there_is_one_in_the_end(site, points):
    await site.open_incident()
    site.life.points_left = points
    with contextlib.suppress(asyncio.CancelledError):
        await site.attach()
    await site.crash()
    for _ in range(3):
        site.advance(TIME_LIMIT_S + HELD_S)
        await site.attach()
    assert len(site.files) == 1
    assert await site.rows() == [("done", None)]


async def test_a_full_disk_sends_nothing_that_is_not_marked(site):
    await site.open_incident()
    site.full_until = site.now + 60
    with pytest.raises(Exception, match="disk is full"):
        await site.attachments.step()
    assert site.files == []
    site.advance(61)
    await site.attach()
    assert len(site.files) == 1


# incidents come first


async def test_while_cases_are_due_only_one_now_and_then_is_attached(site):
    for group in "abc":
        await site.alert(group=group, alert_id=group)
    await site.settle()
    await site.alert(group="waits", alert_id="waits")
    await site.attach()
    assert len(site.files) == 1
    site.advance(BUSY_S)
    await site.attach()
    assert len(site.files) == 2
    await site.settle()
    await site.attach()
    assert len(site.files) == 4


async def test_without_the_right_incidents_go_on_and_attaching_rests(site):
    await site.open_incident()
    account = site.simulator.accounts["admin"]
    account.profiles = frozenset({REST, "Change Implementor"})
    await site.attach()
    assert "attachments_refused" in site.alarms.active
    assert site.gate.is_healthy
    account.profiles = frozenset({REST, "Administrator"})
    await site.open_incident(group="other", alert_id="other")
    assert len(site.incidents) == 2
    assert not await site.attach()
    site.advance(REFUSED_S)
    await site.attach()
    assert len(site.files) == 2
    assert "attachments_refused" not in site.alarms.active


async def test_a_reload_tries_again_at_once(site):
    await site.open_incident()
    site.break_("read_only", "core/create", 1)
    await site.attach()
    assert not await site.attach()
    site.attachments.release()
    site.advance(REFUSED_S)
    await site.attach()
    assert len(site.files) == 1


async def test_while_iTop_is_down_nothing_is_tried_nor_counted(site):  # noqa: N802 - its name
    await site.open_incident()
    for _ in range(2 * MOST_TRIES):
        site.unreachable = 1
        await site.attach()
        site.advance(HELD_S + 1)
    site.unreachable = 0
    await site.gate.wait_open()
    await site.attach()
    assert len(site.files) == 1


async def test_one_that_always_fails_is_given_up(site):
    await site.open_incident()
    site.break_("http_500", "core/create", None)
    for _ in range(MOST_TRIES + 2):
        await site.attach()
        site.advance(TIME_LIMIT_S + 1)
    assert await site.rows() == [("failed", None)]
    assert site.gate.is_healthy


async def test_the_file_of_an_incident_that_is_gone_is_given_up(site):
    await site.open_incident()
    site.simulator.person("Alice Agent").delete(1)
    await site.attach()
    assert site.files == []
    assert await site.rows() == [("failed", None)]


async def test_credentials_that_are_lost_with_a_form_too_large_do_not_stop_the_bridge(site):
    """PHP drops a form above post_max_size: the call arrives without its user."""
    await site.open_incident()
    site.gate.reset(Dropped(site.gate._client))
    await site.attach()
    assert site.gate.is_open
    assert await site.rows() == [("failed", None)]


async def test_a_paused_route_attaches_nothing(site):
    await site.open_incident()
    operations = Commands(site.store, site.clock)
    await operations.pause("wazuh")
    assert not await site.attach()
    await operations.resume("wazuh")
    await site.attach()
    assert len(site.files) == 1


# the shadow, and the journal


async def test_in_the_shadow_nothing_is_attached(tmp_path):
    async with Site.open(tmp_path / "journal.db", policy(shadow=True)) as site:
        await site.open_incident()
        assert await site.rows() == []


async def test_what_a_live_route_owed_waits_while_all_is_in_the_shadow(site, monkeypatch):
    await site.open_incident()
    monkeypatch.setattr(Site, "in_shadow", True)
    await site.crash()
    assert not await site.attach()
    monkeypatch.setattr(Site, "in_shadow", False)
    await site.crash()
    await site.attach()
    assert len(site.files) == 1


async def test_the_journal_keeps_what_is_to_be_attached_and_no_longer_than_twice(site):
    async def payloads():
        return await site.store.read(
            lambda sql: sql.execute("SELECT count(*) FROM events WHERE payload IS NOT NULL").fetchone()[0]
        )

    await site.open_incident()
    retention = Retention(site.store, DAY, DAY, clock=site.clock, sleep=site.sleep)
    site.advance(1.5 * DAY)
    await retention.prune()
    assert await payloads() == 1
    site.advance(DAY)
    await retention.prune()
    assert await payloads() == 0
    await site.attach()
    assert await site.rows() == [("failed", None)]
