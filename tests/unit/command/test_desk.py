"""The desk against the simulator: looked up, verified, kept, and never done twice."""

import asyncio
import contextlib
import itertools
from dataclasses import replace

import pytest

from itop_bridge.command.desk import (
    Desk,
    Draft,
    IncidentClosedError,
    IncidentUnknownError,
    NotDoneError,
    OrganizationUnknownError,
    OutcomeUnknownError,
    Surroundings,
)
from itop_bridge.command.text import Entry
from itop_bridge.intent import Texts, Writing
from itop_bridge.itop import oql
from itop_bridge.itop.client import Client, Connection
from itop_bridge.itop.error import FieldError, LogFullError
from itop_bridge.simulator.fault import Fault, Kind
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator

WRITING = Writing(Texts("", "", "", "", "", ""), resolution_code="other")
EXC = 2


class Bench:
    """A desk, the iTop behind it, and a clock that only sleeping moves."""

    def __init__(self, simulator, client, writing):
        self.simulator, self.client, self.writing = simulator, client, writing
        self.now = 0.0
        self.told = []
        self.held = []
        self.on_sleep = None
        self._tokens = itertools.count(1)

    def desk(self, **changes):
        around = Surroundings(
            lock=self.lock,
            tell=self.told.append,
            time_limit_s=60.0,
            sleep=self.sleep,
            clock=lambda: self.now,
            new_token=lambda: f"{next(self._tokens):016x}",
        )
        return Desk(self.client, self.writing, replace(around, **changes))

    @contextlib.asynccontextmanager
    async def lock(self, case):
        self.held.append(case)
        yield

    async def sleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)
        if self.on_sleep:
            on_sleep, self.on_sleep = self.on_sleep, None
            on_sleep()

    def fault(self, kind, **more):
        return self.simulator.faults.add(Fault(kind, **more))

    @property
    def incidents(self):
        return self.simulator.objects("Incident")

    def entries(self):
        (only,) = self.incidents
        return [entry["message"].rpartition("\n")[0] for entry in only["public_log"]]


@pytest.fixture
async def bench():
    simulator = Simulator()
    async with serve(simulator) as url, Client(Connection(url, "rest_agent", "rest_agent", timeout_s=0.3)) as client:
        yield Bench(simulator, client, WRITING)


def draft(text="first", urgency=2, title="SOC-EXC-SIEM-011"):
    return Draft(title, "<p>d</p>", 3, urgency, Entry(text))


async def opened(bench, **facts):
    written = await bench.desk().open_or_append(EXC, draft(**facts))
    return (await bench.desk().find([f"id = {written.id}"]))[0]


# organisations


async def test_an_organisation_is_found_by_id_code_or_name(bench):
    for key in (2, {"code": "EXC"}, {"name": "Example Customer"}):
        assert await bench.desk().find_organization(key) == EXC


async def test_an_unknown_organisation_is_told_with_what_is_similar(bench):
    with pytest.raises(OrganizationUnknownError, match=r"no organisation with the code 'exc'; it has 'EXC'"):
        await bench.desk().find_organization({"code": "exc"})


# open or append


async def test_the_first_opens_and_the_next_add_to_it(bench):
    first = await bench.desk().open_or_append(EXC, draft("one"))
    second = await bench.desk().open_or_append(EXC, draft("two", title="soc-exc-SIEM-011 "))
    assert (first.verb, second.verb, first.id) == ("created", "updated", second.id)
    assert bench.entries() == ["one", "two"]
    assert set(bench.held) == {"2 soc-exc-siem-011"}
    (incident,) = bench.incidents
    assert (incident["title"], incident["impact"], incident["urgency"], incident["origin"]) == (
        "SOC-EXC-SIEM-011",
        "3",
        "2",
        "monitoring",
    )


async def test_the_same_title_in_another_organisation_is_another_incident(bench):
    await bench.desk().open_or_append(EXC, draft())
    assert (await bench.desk().open_or_append(3, draft())).verb == "created"


async def test_the_urgency_is_raised_and_never_lowered(bench):
    for urgency in (3, 1, 4):
        await bench.desk().open_or_append(EXC, draft(urgency=urgency))
    assert bench.incidents[0]["urgency"] == "1"


async def test_lines_that_the_log_holds_are_left_out(bench):
    await bench.desk().open_or_append(EXC, draft("a\nb"))
    assert (await bench.desk().open_or_append(EXC, draft("b\nc"), only_new=True)).verb == "updated"
    assert bench.entries() == ["a\nb", "c"]
    assert (await bench.desk().open_or_append(EXC, draft("c\na"), only_new=True)).verb == "unchanged"
    assert (await bench.desk().open_or_append(EXC, draft("c", urgency=1), only_new=True)).verb == "updated"
    assert bench.entries()[-1] == "Urgency raised to 1."


async def test_a_resolved_incident_is_reopened_and_a_closed_one_followed(bench):
    incident = await opened(bench)
    await bench.desk().resolve(incident, Entry(""), "done")
    assert (await bench.desk().open_or_append(EXC, draft("again"))).verb == "reopened"
    (now,) = await bench.desk().find([f"id = {incident.id}"])
    await bench.desk().resolve(now, Entry(""), "done")
    bench.simulator.person("Alice Agent").close(incident.id)
    assert (await bench.desk().open_or_append(EXC, draft("anew"))).verb == "created"


async def test_of_several_the_ongoing_one_is_used_and_all_are_told(bench):
    for _ in range(2):
        await bench.client.create("Incident", {"org_id": EXC, "title": "t", "description": "d"}, comment="test")
    first = (await bench.desk().find(["id = 1"]))[0]
    await bench.desk().resolve(first, Entry(""), "done")
    assert (await bench.desk().open_or_append(EXC, draft(title="t"))).id == 2
    assert bench.told == ["2 incidents have this title: I-000002, I-000001; the first"]


async def test_references_are_written_and_a_refused_one_is_left_out(bench):
    bench.writing = replace(
        WRITING,
        references=(("team_id", "Team", "SOC"), ("agent_id", "Person", "No Body"), ("service_id", "Service", "None")),
        fields=(("pending_reason", "Waiting"),),
    )
    assert (await bench.desk().open_or_append(EXC, draft())).verb == "created"
    (incident,) = bench.incidents
    assert (incident["team_name"], incident["agent_id"], incident["pending_reason"]) == ("SOC", "0", "Waiting")
    assert [each.split(":")[0] for each in bench.told] == ["left out, since iTop refuses it"] * 2


async def test_another_field_that_is_refused_is_an_error(bench):
    bench.writing = replace(WRITING, fields=(("no_such", "x"),))
    with pytest.raises(FieldError, match="no_such"):
        await bench.desk().open_or_append(EXC, draft())


# without an answer


@pytest.mark.parametrize("operation", ["core/create", "core/update"])
@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.TRUNCATE, Kind.HTTP_500])
async def test_a_write_whose_answer_is_lost_is_found_and_not_repeated(bench, operation, kind):
    if operation == "core/update":
        await opened(bench, text="zero")
    bench.fault(kind, operation=operation, stored=kind is Kind.HTTP_500)
    written = await bench.desk().open_or_append(EXC, draft("one"))
    assert (written.id, written.ref) == (1, "I-000001")
    assert bench.entries()[-1] == "one"
    assert bench.entries().count("one") == 1
    assert "looking for up to 60 s" in bench.told[0]


async def test_a_resolve_whose_answer_is_lost_is_found(bench):
    incident = await opened(bench)
    bench.fault(Kind.RESET_AFTER, operation="core/apply_stimulus")
    assert (await bench.desk().resolve(incident, Entry(""), "done")).verb == "resolved"
    assert bench.incidents[0]["status"] == "resolved"


async def test_a_write_that_left_no_trace_is_told_when_itops_own_limit_is_over(bench):
    bench.fault(Kind.HTTP_500, operation="core/create")
    with pytest.raises(NotDoneError, match="the command may be run again"):
        await bench.desk().open_or_append(EXC, draft())
    assert bench.incidents == []
    assert bench.now == pytest.approx(60.0)
    assert bench.simulator.count("core/create") == 1


async def test_a_write_that_lands_late_is_found(bench):
    late = bench.fault(Kind.LATE, operation="core/create")
    bench.on_sleep = late._released.set
    assert (await bench.desk().open_or_append(EXC, draft())).ref == "I-000001"


async def test_an_outcome_that_cannot_be_asked_for_is_told_with_its_token(bench):
    bench.fault(Kind.RESET_AFTER, operation="core/create")
    bench.on_sleep = lambda: bench.fault(Kind.HTTP_502, times=None)
    with pytest.raises(OutcomeUnknownError, match=r"look for \[sb:0000000000000001\] in the log"):
        await bench.desk().open_or_append(EXC, draft())


# others write too


async def test_an_incident_that_changed_since_it_was_read_is_read_again(bench):
    incident = await opened(bench, text="one")
    stale = replace(incident, last_update="2000-01-01 00:00:00")
    desk = bench.desk()
    reads = iter([stale, stale, incident])

    async def read(_):
        (now,) = await desk.find(["id = 1"])
        return replace(now, last_update=next(reads).last_update)

    desk._read_again = read
    assert (await desk.append(incident, Entry("two"))).verb == "updated"
    assert bench.entries() == ["one", "two"]


async def test_an_entry_that_another_save_overwrote_is_written_again(bench):
    incident = await opened(bench, text="one")

    def overwrite():
        row = bench.simulator.store.get("Incident", incident.id)
        log = row.values["public_log"]
        row.values["public_log"] = type(log)(log.entries[:-1])

    bench.on_sleep = overwrite
    await bench.desk().append(incident, Entry("two"))
    assert bench.entries() == ["one", "two"]


async def test_several_at_once_keep_every_entry(bench):
    """Without the lock too: what is overwritten is written again."""
    incident = await opened(bench, text="start")

    async def write(number):
        await bench.desk().append(incident, Entry(f"entry {number}"))

    await asyncio.gather(*(write(number) for number in range(4)))
    assert sorted(bench.entries()[1:]) == [f"entry {number}" for number in range(4)]


async def test_html_is_stored_as_html_and_found_by_its_token(bench):
    incident = await opened(bench)
    calls = bench.simulator.count("core/update")
    await bench.desk().append(incident, Entry("<b>bold</b>", is_html=True))
    assert bench.simulator.count("core/update") == calls + 1
    assert "<b>bold</b>" in bench.incidents[0]["public_log"][-1]["message_html"]


# find, append, resolve


async def test_the_one_that_is_not_closed_is_meant(bench):
    incident = await opened(bench)
    await bench.desk().resolve(incident, Entry(""), "done")
    bench.simulator.person("Alice Agent").close(incident.id)
    await opened(bench)
    found = await bench.desk().find_one([oql.equals("title", "SOC-EXC-SIEM-011")], "with that title")
    assert found.ref == "I-000002"


async def test_an_ambiguous_title_is_told_with_the_refs(bench):
    for _ in range(2):
        await bench.client.create("Incident", {"org_id": EXC, "title": "t", "description": "d"}, comment="test")
    with pytest.raises(IncidentUnknownError, match="2 incidents are with that title: name one of I-000001, I-000002"):
        await bench.desk().find_one(["title = 't'"], "with that title")


async def test_none_is_told(bench):
    with pytest.raises(IncidentUnknownError, match="no incident with the id 9"):
        await bench.desk().find_one(["id = 9"], "with the id 9")


async def test_fields_go_with_an_entry(bench):
    incident = await opened(bench)
    await bench.desk().append(incident, Entry("x"), fields={"pending_reason": "Waiting for feedback"})
    assert bench.incidents[0]["pending_reason"] == "Waiting for feedback"


async def test_a_full_log_is_told(bench):
    incident = await opened(bench)
    bench.fault(Kind.LOG_FULL, operation="core/update")
    with pytest.raises(LogFullError):
        await bench.desk().append(incident, Entry("x"))


async def test_resolving_writes_solution_code_and_text(bench):
    incident = await opened(bench)
    assert (await bench.desk().resolve(incident, Entry("closing"), "false alarm")).verb == "resolved"
    (now,) = bench.incidents
    assert (now["status"], now["resolution_code"]) == ("resolved", "other")
    assert "false alarm [sb:" in now["solution"]
    assert bench.entries()[-1] == "closing"


async def test_a_reference_that_is_refused_does_not_keep_from_resolving(bench):
    incident = await opened(bench)
    bench.writing = replace(
        WRITING, references=(("team_id", "Team", "Gone"), ("service_id", "Service", "Security Monitoring"))
    )
    assert (await bench.desk().resolve(incident, Entry(""), "done")).verb == "resolved"
    assert bench.incidents[0]["service_name"] == "Security Monitoring"
    assert bench.told[0].startswith("left out, since iTop refuses it: team_id")


async def test_resolving_again_changes_nothing_but_the_log(bench):
    incident = await opened(bench)
    await bench.desk().resolve(incident, Entry(""), "done")
    assert (await bench.desk().resolve(incident, Entry(""), "again")).verb == "unchanged"
    assert (await bench.desk().resolve(incident, Entry("more"), "again")).verb == "updated"
    assert bench.told == ["I-000001 is resolved already"] * 2
    assert bench.incidents[0]["status"] == "resolved"


async def test_a_state_without_a_way_is_told(bench):
    incident = await opened(bench)
    bench.simulator.store.get("Incident", incident.id).values["status"] = "escalated_tto"
    with pytest.raises(IncidentClosedError, match="escalated_tto"):
        await bench.desk().resolve(incident, Entry(""), "done")


async def test_an_incident_that_is_gone_is_told(bench):
    incident = await opened(bench)
    with pytest.raises(IncidentUnknownError, match="is gone"):
        await bench.desk().append(replace(incident, id=99), Entry("x"))
