"""The mailer's own steps, with a server that a test plays; tests/integration/test_mail.py has the real ones."""

import asyncio
import itertools

import pytest

from itop_bridge.errors import JournalFullError
from itop_bridge.journal.mail import MailJournal
from itop_bridge.journal.store import Store
from itop_bridge.log import Alarms
from itop_bridge.mail import mailer
from itop_bridge.mail.correspondence import describe_correspondence
from itop_bridge.mail.mailer import Mailer, Pace
from itop_bridge.mail.server import MailError
from itop_bridge.settings.model import Settings

SECTIONS = {
    "mqtt": {"host": "localhost"},
    "itop": {"address": "https://itop.example", "user": "bridge", "password": "hunter2"},
    "defaults": {"organization": "EXC"},
    "routes": [{"name": "wazuh", "topic": "siem/{org}/wazuh", "format": "wazuh", "factory": "incident-siem"}],
}
MAIL = {"server": "mail.example", "sender": "bridge@example.com", "recipients": ["soc@example.com"]}


class Desk:
    """A mailer on a real journal; `subjects` are those of the mails that a server took."""

    def __init__(self, store):
        self.store = store
        self.now = 1_790_000_000.0
        self.began = self.now
        self.alarms = Alarms(clock=lambda: self.now)
        self.subjects = []
        self.fails_by = None
        self.tries = 0
        self.told = []
        pace = Pace(lambda: self.now, lambda: self.now - self.began, lambda: 0.5, self.sleep)
        self.mailer = Mailer(
            MailJournal(store, lambda: self.now),
            self.alarms,
            describe(),
            pace,
            send=self.send,
            on_mail=lambda *told: self.told.append(told),
        )

    async def sleep(self, seconds):
        self.now += seconds

    async def send(self, _server, message, _sender, recipients):
        self.tries += 1
        if "wrong@example.com" in recipients:
            raise MailError("recipients_refused", "no such user")
        if self.fails_by:
            raise MailError(self.fails_by, "it was so")
        self.subjects.append(message["Subject"])
        return {}

    async def dead_letter(self, route=None):
        row = ("no_route", "", self.now, route)
        insert = "INSERT INTO dead_letters (reason, detail, at, route) VALUES (?, ?, ?, ?)"
        await self.store.write(lambda sql: sql.execute(insert, row).rowcount)

    async def seconds(self, count, step=5):
        for _ in range(count // step):
            self.now += step
            await self.mailer.step()


def describe(of_route=None, **changes):
    routes = [{**SECTIONS["routes"][0], "mail": of_route or {}}]
    return describe_correspondence(Settings.model_validate({**SECTIONS, "routes": routes, "mail": {**MAIL, **changes}}))


@pytest.fixture
async def desk(tmp_path):
    store = await Store.open(tmp_path / "journal.db")
    desk = Desk(store)
    await desk.mailer.step()
    yield desk
    await store.close()


async def test_what_comes_within_the_digest_is_one_mail(desk):
    await desk.dead_letter()
    await desk.seconds(55)
    await desk.dead_letter()
    assert desk.subjects == []
    await desk.seconds(10)
    assert desk.subjects == ["[itop-bridge] 2 dead letters: no_route"]
    assert desk.told == [("sent", "dead_letters")]


async def test_what_was_left_before_the_clock_was_put_back_does_not_wait_for_that_hour(desk):
    desk.now += 7_200
    await desk.dead_letter()
    desk.now -= 7_200
    await desk.seconds(5)
    assert desk.subjects == ["[itop-bridge] A dead letter: no_route"]


@pytest.mark.parametrize(
    ("reason", "tries"), [("unreachable", (5, 20)), ("login_refused", (2, 2)), ("recipients_refused", (2, 2))]
)
async def test_a_server_that_fails_is_asked_seldom_and_the_alarm_says_why(desk, reason, tries):
    desk.fails_by = reason
    await desk.dead_letter()
    await desk.seconds(60 + 1_900)
    assert tries[0] <= desk.tries <= tries[1]
    assert desk.alarms.active["mail_failing"].facts["reason"] == reason
    desk.fails_by = None
    await desk.seconds(1_800)
    assert desk.subjects == ["[itop-bridge] A dead letter: no_route"]
    assert "mail_failing" not in desk.alarms.active


async def test_another_configuration_is_tried_at_once(desk):
    desk.fails_by = "login_refused"
    await desk.dead_letter()
    await desk.seconds(65)
    desk.fails_by = None
    desk.mailer.change(describe(recipients=["other@example.com"]))
    await desk.seconds(5)
    assert len(desk.subjects) == 1
    assert "mail_failing" not in desk.alarms.active


async def test_what_waits_for_wrong_recipients_goes_to_those_of_another_configuration(desk):
    desk.mailer.change(describe({"recipients": ["wrong@example.com"]}))
    await desk.dead_letter("wazuh")
    await desk.dead_letter()  # later, and to the others
    await desk.seconds(70)
    assert len(desk.subjects) == 1
    desk.mailer.change(describe())
    await desk.seconds(10)
    assert len(desk.subjects) == 2


async def test_a_reload_while_the_journal_notes_that_there_is_no_mail_is_noted_too(desk):
    desk.mailer.change(None)
    step = asyncio.create_task(desk.mailer.step())
    await asyncio.sleep(0)  # the write is handed in
    await asyncio.sleep(0)
    desk.mailer.change(describe())
    await step
    await desk.seconds(5)
    await desk.dead_letter()
    await desk.seconds(70)
    assert desk.subjects == ["[itop-bridge] A dead letter: no_route"]


async def test_without_a_configuration_the_alarms_end(desk):
    desk.fails_by = "unreachable"
    await desk.dead_letter()
    await desk.seconds(65)
    desk.mailer.change(None)
    await desk.seconds(5)
    assert desk.alarms.active == {}


async def test_a_full_disk_is_told_all_the_same(desk, monkeypatch):
    async def refuse(_query):
        raise JournalFullError

    desk.mailer.change(describe())
    desk.alarms.raise_("journal_full", detail="the disk is full")
    await desk.dead_letter()
    monkeypatch.setattr(desk.store, "write", refuse)
    await desk.seconds(650)
    # each of them once, though that cannot be noted
    assert desk.subjects == ["[itop-bridge] A dead letter: no_route", "[itop-bridge] journal_full lasts"]


async def test_it_looks_again_and_again(desk, monkeypatch):
    steps = []

    async def step():
        steps.append(desk.now)
        if len(steps) == 3:
            raise AssertionError("enough")

    monkeypatch.setattr(desk.mailer, "step", step)
    with pytest.raises(AssertionError, match="enough"):
        await desk.mailer.run()
    assert [later - earlier for earlier, later in itertools.pairwise(steps)] == [5.0, 5.0]


async def test_a_mail_that_the_server_takes_while_the_daemon_stops_is_not_sent_again(desk, monkeypatch):
    taken, answered = asyncio.Event(), asyncio.Event()

    async def send(*_args):
        desk.subjects.append("taken")
        taken.set()
        await answered.wait()
        return {}

    monkeypatch.setattr(desk.mailer, "_send", send)
    await desk.dead_letter()
    desk.now += 65
    running = asyncio.create_task(desk.mailer.run())
    await taken.wait()
    running.cancel()
    await asyncio.sleep(0)
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    left = await desk.store.read(lambda sql: sql.execute("SELECT count(*) FROM notices").fetchone())
    assert (desk.subjects, left) == (["taken"], (0,))


async def test_a_server_that_hangs_does_not_keep_the_daemon_from_stopping(desk, monkeypatch):
    monkeypatch.setattr(mailer, "LAST_S", 0.01)
    hanging = asyncio.Event()

    async def send(*_args):
        hanging.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(desk.mailer, "_send", send)
    await desk.dead_letter()
    desk.now += 65
    running = asyncio.create_task(desk.mailer.run())
    await hanging.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert desk.told == []
