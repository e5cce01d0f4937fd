"""Mail on a real journal, with a real mail server and a stand-in for iTop: what is told, once, and to whom."""

import asyncio
import contextlib

import pytest
from postbox import Inbox, free_port, serve_inbox
from rig import Rig
from structlog.testing import capture_logs

from itop_bridge.journal.mail import MailJournal
from itop_bridge.mail.correspondence import describe_correspondence
from itop_bridge.mail.mailer import MOST_LISTED, Mailer, Pace
from itop_bridge.settings.model import Settings

MINUTE = 60.0
SECTIONS = {
    "mqtt": {"host": "localhost"},
    "itop": {"address": "https://itop.example", "user": "bridge", "password": "hunter2"},
    "defaults": {"organization": "EXC"},
    "routes": [{"name": "wazuh", "topic": "siem/{org}/wazuh", "format": "wazuh", "factory": "incident-siem"}],
}


def correspond(port, route=None, **mail):
    section = {
        "server": f"127.0.0.1:{port}",
        "security": "none",
        "sender": "itop-bridge@example.com",
        "recipients": ["soc@example.com"],
        **mail,
    }
    routes = [{**SECTIONS["routes"][0], **({"mail": route} if route else {})}]
    return describe_correspondence(Settings.model_validate({**SECTIONS, "routes": routes, "mail": section}))


class Office:
    """A rig with a mailer: `minutes` lets time pass for delivery and mail."""

    def __init__(self, rig, port):
        self.rig = rig
        self.port = port
        self.told = []
        self.down = False

    def start(self, route=None, **mail):
        self.began = self.rig.now
        pace = Pace(self.rig.clock, lambda: self.rig.now - self.began, lambda: 0.5, self.rig.sleep)
        self.mailer = Mailer(
            MailJournal(self.rig.store, self.rig.clock),
            self.rig.alarms,
            correspond(self.port, route, **mail),
            pace,
            on_mail=lambda *told: self.told.append(told),
        )

    async def minutes(self, count):
        for _ in range(int(count * 2)):
            self.rig.advance(MINUTE / 2)
            if not self.down:
                await self.rig.deliver()
            await self.mailer.step()

    async def restart(self, **mail):
        """The process dies: alarms and the hour's count are forgotten, the journal is not."""
        for name in list(self.rig.alarms.active):
            self.rig.alarms.clear(name)
        await self.rig.crash()
        self.start(**mail)

    @contextlib.contextmanager
    def without_itop(self):
        """iTop cannot be reached: nothing is delivered."""
        self.down = True
        self.rig.alarms.raise_("itop_unreachable", detail="no answer", reason="no_answer")
        yield
        self.rig.alarms.clear("itop_unreachable")
        self.down = False


@contextlib.asynccontextmanager
async def open_office(folder, inbox=None, **mail):
    with serve_inbox(inbox) as (served, port):
        async with Rig.open(folder / "journal.db") as rig:
            office = Office(rig, port)
            office.start(**mail)
            await office.mailer.step()
            yield office, served


@pytest.fixture
async def site(tmp_path):
    async with open_office(tmp_path, outages=[], about=[]) as opened:
        yield opened


async def test_a_severe_alert_that_is_not_in_itop_is_mailed_itself(site):
    office, inbox = site
    with office.without_itop():
        await office.rig.fires(
            "a1", severity="critical", title="Ransom note\r\nBcc: x@y", description="see http://x.io"
        )
        await office.minutes(9)
        assert inbox.mails == []
        await office.minutes(4)
    assert inbox.subjects == ["[itop-bridge] Not in iTop, critical: Ransom note Bcc: x@y"]
    (text,) = inbox.texts
    assert "> title: Ransom note" in text
    assert "hxxp[:]//x[.]io" in text
    assert "Alarm: itop_unreachable since" in text


async def test_it_is_mailed_once_whatever_is_restarted_and_told_when_it_is_in_itop(site):
    office, inbox = site
    with office.without_itop():
        await office.rig.fires(severity="critical", urgency=1)
        await office.minutes(13)
        assert len(inbox.mails) == 1
        await office.restart(outages=[], about=[])
        office.down = True
        await office.minutes(30)
    await office.minutes(5)
    incident = office.rig.incident()
    assert inbox.subjects[1:] == [f"[itop-bridge] In iTop now, {incident['ref']}: Brute force"]
    link = f"https://itop.example/pages/UI.php?operation=details&class=Incident&id={incident['id']}"
    assert link in inbox.texts[1]
    threads = {mail["References"] for _, mail in inbox.mails}
    assert len(threads) == 1
    await office.restart(outages=[], about=[])
    await office.rig.fires(severity="critical", urgency=1, content="an update")
    with office.without_itop():
        await office.minutes(4)
    await office.minutes(20)
    assert len(inbox.mails) == 2


async def test_an_alert_below_the_severity_of_its_route_is_not_mailed(site):
    office, inbox = site
    with office.without_itop():
        await office.rig.fires("a1", severity="medium")
        await office.rig.fires("a2", severity="high", group="other")
        await office.minutes(13)
    (text,) = inbox.texts
    assert "1 alert is not in iTop" in text
    assert "1. high" in text


async def test_what_is_resolved_before_needs_no_mail(site):
    office, inbox = site
    with office.without_itop():
        await office.rig.fires(severity="critical")
        await office.minutes(5)
        await office.rig.resolves(severity="critical")
        await office.minutes(30)
    await office.minutes(5)
    assert inbox.mails == []


async def test_what_is_resolved_while_its_mail_waits_is_not_in_it(site):
    office, inbox = site
    inbox.answer = "451 later"
    with office.without_itop():
        await office.rig.fires(severity="critical")
        await office.minutes(13)
        await office.rig.resolves(severity="critical")
        inbox.answer = "250 OK"
        await office.minutes(60)
    await office.minutes(5)
    assert inbox.mails == []


@pytest.mark.parametrize("pause", ["wazuh", None])
async def test_an_alert_of_a_route_that_is_held_back_is_late_too(site, pause):
    from itop_bridge.journal.operation import Operations

    office, inbox = site
    await Operations(office.rig.store, office.rig.clock).pause(pause)
    await office.rig.fires(severity="high")
    await office.minutes(13)
    assert "an operator holds its route back" in inbox.texts[0]


async def test_an_alert_of_a_parked_case_is_late_too(site):
    office, inbox = site
    await office.rig.fires(severity="high", org="NOWHERE")
    await office.minutes(13)
    assert "its case waits for a person (organization_unknown)" in inbox.texts[0]


async def test_an_update_that_waits_for_the_interval_of_its_incident_is_not_late(site):
    office, inbox = site
    await office.rig.fires(severity="critical", urgency=1)
    await office.minutes(2)
    for number in range(2, 40):
        await office.rig.fires(f"a{number}", severity="critical", urgency=1)
        await office.minutes(3)
    assert inbox.mails == []


async def test_what_makes_its_incident_more_urgent_is_late(site):
    office, inbox = site
    await office.rig.fires(severity="medium", urgency=3)
    await office.minutes(2)
    with office.without_itop():
        await office.rig.fires(severity="critical", urgency=1, content="it grew")
        await office.minutes(13)
    assert inbox.subjects == ["[itop-bridge] Not in iTop, critical: Brute force"]
    await office.minutes(5)
    assert len(inbox.mails) == 2


async def test_after_a_restart_a_backlog_is_given_a_moment(site):
    """The daemon was away for an hour: what it has is on its way to an iTop that is well."""
    office, inbox = site
    await office.rig.fires(severity="critical")
    office.rig.advance(3600)
    await office.restart(outages=[], about=[])
    await office.mailer.step()
    await office.minutes(5)
    assert office.rig.incident()
    assert inbox.mails == []


async def test_messages_that_nobody_has_read_are_an_outage(tmp_path):
    from itop_bridge.journal.intake import IntakeJournal, Received

    async with open_office(tmp_path, outages=["triage_behind"]) as (office, inbox):
        journal = IntakeJournal(office.rig.store)
        received = Received(b"siem/EXC/<b>", b"{}", office.rig.now, 2)
        await journal.record_events(await journal.open_connection(session_present=False), [received])
        await office.minutes(22)
    assert inbox.subjects == ["[itop-bridge] triage_behind lasts"]
    assert "> of siem/EXC/<b>" in inbox.texts[0]


# incidents and dead letters


async def test_an_incident_that_was_made_is_told_once(tmp_path):
    async with open_office(tmp_path, about=["created"], outages=[]) as (office, inbox):
        await office.rig.fires()
        await office.rig.settle()
        await office.minutes(2)
        await office.restart(about=["created"], outages=[])
        await office.minutes(10)
        assert inbox.subjects == [f"[itop-bridge] {office.rig.incident()['ref']}: Brute force"]


async def dead_letters(office, count, reason="unrecognised_shape"):
    row = "INSERT INTO dead_letters (reason, detail, at, route) VALUES (?, 'no <b>title</b>', ?, 'wazuh')"
    now = office.rig.now
    await office.rig.store.write(lambda sql: sql.executemany(row, [(reason, now)] * count).rowcount)


async def test_a_dead_letter_is_told_once_and_not_if_it_was_settled_before(tmp_path):
    async with open_office(tmp_path, about=["dead_letters"], outages=[]) as (office, inbox):
        await dead_letters(office, 1)
        await office.minutes(2)
        assert inbox.subjects == ["[itop-bridge] A dead letter: unrecognised_shape"]
        await dead_letters(office, 1)
        await office.rig.store.write(lambda sql: sql.execute("UPDATE dead_letters SET state = 'retried'").rowcount)
        await office.restart(about=["dead_letters"], outages=[])
        await office.minutes(10)
    assert len(inbox.mails) == 1


async def test_a_thousand_dead_letters_are_one_mail(tmp_path):
    async with open_office(tmp_path, about=["dead_letters"], outages=[]) as (office, inbox):
        await dead_letters(office, 990)
        await dead_letters(office, 10, "invalid_json")
        await office.minutes(2)
    assert inbox.subjects == ["[itop-bridge] 1000 dead letters: unrecognised_shape, invalid_json"]
    assert "\n990 unrecognised_shape" in inbox.texts[0]
    assert f"And {1000 - MOST_LISTED} more." in inbox.texts[0]


async def test_what_is_over_the_limit_is_summed_up_in_the_next(tmp_path):
    async with open_office(tmp_path, about=["dead_letters"], outages=[], most_per_hour=4) as (office, inbox):
        for _ in range(10):
            await dead_letters(office, 7)
            await office.minutes(2)
        assert len(inbox.mails) == 3  # a quarter is left for what is urgent
        assert office.told.count(("held", "most_per_hour")) == 1
        with office.without_itop():
            await office.rig.fires(severity="critical")
            await office.minutes(13)
        assert len(inbox.mails) == 4
        await office.minutes(40)
    told = [int(subject.split()[1]) for subject in inbox.subjects if "dead letters" in subject]
    assert told == [7, 7, 7, 49]


async def test_without_mail_nothing_is_kept(tmp_path):
    async with open_office(tmp_path) as (office, inbox):
        await dead_letters(office, 3)
        office.mailer.change(None)
        await office.mailer.step()
        await dead_letters(office, 3)
        rows = await office.rig.store.read(lambda sql: sql.execute("SELECT count(*) FROM notices").fetchone())
        assert rows == (0,)
        assert inbox.mails == []


# outages


async def test_a_long_outage_is_told_when_it_lasts_and_when_it_is_over(tmp_path):
    async with open_office(tmp_path, about=[]) as (office, inbox):
        with office.without_itop():
            await office.minutes(9)
            assert inbox.mails == []
            await office.minutes(60)
        await office.minutes(5)
    assert inbox.subjects == ["[itop-bridge] itop_unreachable lasts", "[itop-bridge] itop_unreachable is over"]
    assert len({mail["References"] for _, mail in inbox.mails}) == 1


async def test_an_outage_that_a_restart_falls_in_is_told_once(tmp_path):
    async with open_office(tmp_path, about=[]) as (office, inbox):
        with office.without_itop():
            await office.minutes(11)
            await office.restart(about=[])
            office.rig.alarms.raise_("itop_unreachable", reason="no_answer")
            await office.minutes(30)
        await office.minutes(5)
    assert inbox.subjects == ["[itop-bridge] itop_unreachable lasts", "[itop-bridge] itop_unreachable is over"]


async def test_an_outage_that_ended_while_the_daemon_was_away_is_told_as_over(tmp_path):
    async with open_office(tmp_path, about=[]) as (office, inbox):
        with office.without_itop():
            await office.minutes(11)
        await office.restart(about=[])
        await office.minutes(9)
        assert len(inbox.mails) == 1
        await office.minutes(3)
    assert inbox.subjects[1:] == ["[itop-bridge] itop_unreachable is over"]


async def test_a_short_outage_is_not_told(tmp_path):
    async with open_office(tmp_path, about=[]) as (office, inbox):
        for _ in range(5):
            with office.without_itop():
                await office.minutes(8)
            await office.minutes(2)
    assert inbox.mails == []


# routes of their own


async def test_a_route_has_recipients_and_templates_of_its_own(tmp_path):
    route = {"recipients": ["a@example.com"], "subject": "{{ count }} of {{ kind }}", "text": "{{ items[0].title }}!"}
    async with open_office(tmp_path, route=route, outages=[]) as (office, inbox):
        await office.rig.fires(title="see http://x.io")
        await office.rig.settle()
        await office.minutes(2)
    ((envelope, mail),) = inbox.mails
    assert envelope.rcpt_tos == ["a@example.com"]
    assert mail["Subject"] == "[itop-bridge] 1 of created"
    assert mail.get_content().strip() == "see hxxp[:]//x[.]io!"


async def test_a_template_that_fails_gives_way_to_the_bridges_own(tmp_path):
    route = {"subject": "{{ items[0].title * 2 }}"}
    with capture_logs() as logs:
        async with open_office(tmp_path, route=route, outages=[]) as (office, inbox):
            await office.rig.fires()
            await office.rig.settle()
            await office.minutes(2)
    assert inbox.subjects[0].endswith("Brute force")
    assert [line["kind"] for line in logs if line["event"] == "mail.text_failed"] == ["created"]


async def test_a_route_that_wants_none_gets_none(tmp_path):
    async with open_office(tmp_path, route={"enabled": False}, outages=[]) as (office, inbox):
        await dead_letters(office, 3)
        with office.without_itop():
            await office.rig.fires(severity="critical")
            await office.minutes(30)
        await office.minutes(5)
        rows = await office.rig.store.read(lambda sql: sql.execute("SELECT count(*) FROM notices").fetchone())
    assert (inbox.mails, rows) == ([], (0,))


# a mail server that fails


async def test_a_server_that_comes_back_gets_one_mail_of_all_that_came(tmp_path):
    async with Rig.open(tmp_path / "journal.db") as rig:
        office = Office(rig, free_port())
        office.start(about=["dead_letters"], outages=[])
        await office.mailer.step()
        with capture_logs() as logs:
            for _ in range(10):
                await dead_letters(office, 5)
                await office.minutes(5)
        assert rig.alarms.active["mail_failing"].facts["reason"] == "unreachable"
        assert 3 < office.told.count(("failed", "unreachable")) < 15  # and ever more seldom
        assert sum(line["event"] == "mail.failed" for line in logs) < 10
        with serve_inbox(port=office.port) as (inbox, _):
            await office.minutes(16)
        assert inbox.subjects == ["[itop-bridge] 50 dead letters: unrecognised_shape"]
        assert "mail_failing" not in rig.alarms.active


async def test_a_refused_recipient_keeps_nothing_from_the_others(tmp_path):
    inbox = Inbox()
    inbox.refused["gone@example.com"] = "550 no such user"
    recipients = ["gone@example.com", "soc@example.com"]
    with capture_logs() as logs:
        async with open_office(tmp_path, inbox, recipients=recipients, outages=[]) as (office, _):
            await dead_letters(office, 1)
            await office.minutes(10)
    ((envelope, _),) = inbox.mails
    assert envelope.rcpt_tos == ["soc@example.com"]
    (told,) = [line for line in logs if line["event"] == "mail.recipient_refused"]
    assert (told["recipient"], told["detail"]) == ("gone@example.com", "550 no such user")


async def test_recipients_that_are_all_refused_hold_up_nobody_elses_mails(tmp_path):
    inbox = Inbox()
    inbox.refused["gone@example.com"] = "550 no such user"
    route = {"recipients": ["gone@example.com"]}
    async with open_office(tmp_path, inbox, route=route) as (office, _):
        await dead_letters(office, 1)
        await office.minutes(3)
        assert office.rig.alarms.active["mail_failing"].facts["reason"] == "recipients_refused"
        with office.without_itop():
            await office.minutes(13)
        assert inbox.subjects == ["[itop-bridge] itop_unreachable lasts"]
        inbox.refused.clear()
        await office.minutes(31)
    assert "[itop-bridge] A dead letter: unrecognised_shape" in inbox.subjects


async def test_incidents_go_on_being_made_while_the_mail_server_hangs(tmp_path):
    async with open_office(tmp_path, outages=[]) as (office, inbox):
        inbox.hangs = True
        await dead_letters(office, 1)
        office.rig.advance(2 * MINUTE)
        hanging = asyncio.create_task(office.mailer.step())
        assert await asyncio.to_thread(inbox.is_hanging.wait, 10)
        await office.rig.fires()
        await office.rig.deliver()
        assert office.rig.incident()
        assert not hanging.done()
        hanging.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await hanging
        inbox.hangs = False
        await office.minutes(2)
    assert "[itop-bridge] A dead letter: unrecognised_shape" in inbox.subjects
