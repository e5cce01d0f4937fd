import pytest
from situation import incident

from itop_bridge.delivery.operation import (
    Script,
    conditional_key,
    describe_append,
    describe_create,
    describe_stimulus,
    log_entry,
    name_references,
    own_agent,
    text_key,
)
from itop_bridge.intent import Texts, Writing

TEXTS = Texts("t", "d", "c", "a", "r", "s")
WRITING = Writing(TEXTS, references=(("team_id", "Team", "S'OC"), ("caller_id", "Person", "Carla Caller")))


def test_a_write_names_what_was_read_and_the_tokens_whose_fate_is_unknown():
    key = conditional_key("Incident", incident(), "public_log", ["0123456789abcdef"])
    assert key == (
        "SELECT Incident WHERE id = 7 AND last_update = '2026-11-24 10:00:00'"
        " AND public_log NOT LIKE '%[sb:0123456789abcdef]%'"
    )


def test_a_rewrite_finds_nothing_where_the_entry_is_there_after_all():
    assert text_key("Incident", 7, "public_log", "aa") == (
        "SELECT Incident WHERE id = 7 AND public_log NOT LIKE '%[sb:aa]%'"
    )


def test_log_entries_are_verbatim_text():
    assert log_entry(WRITING, "<b>\nx") == {"public_log": {"add_item": {"message": "<b>\nx", "format": "text"}}}
    assert log_entry(WRITING, "") == {}


def test_a_create_names_its_output_fields_and_carries_the_entry():
    script = Script("title", "<p>d</p>", "entry")
    operation = describe_create(WRITING, script, org=2, impact=1, urgency=2, references={})
    assert operation["output_fields"] == "id,ref,status,urgency,agent_id,last_update,resolution_date"
    assert operation["fields"]["org_id"] == 2
    assert operation["fields"]["origin"] == "monitoring"
    assert "public_log" in operation["fields"]


def test_a_create_attaches_the_ci_that_was_found_and_no_other():
    def fields_of(asset):
        script = Script("t", "d", "e")
        return describe_create(WRITING, script, org=2, impact=1, urgency=2, references={}, asset=asset)["fields"]

    assert fields_of(4)["functionalcis_list"] == [{"functionalci_id": 4, "impact_code": "manual"}]
    assert "functionalcis_list" not in fields_of(None)


def test_a_site_without_that_origin_leaves_it_out():
    operation = describe_create(
        Writing(TEXTS, origin=""), Script("t", "d", "e"), org=2, impact=1, urgency=2, references={}
    )
    assert "origin" not in operation["fields"]


def test_further_fields_never_replace_organisation_title_or_text():
    writing = Writing(TEXTS, fields=(("org_id", 99), ("title", "x"), ("impact", "3"), ("custom", "y")))
    fields = describe_create(writing, Script("t", "d", "e"), org=2, impact=1, urgency=2, references={})["fields"]
    assert (fields["org_id"], fields["title"], fields["custom"]) == (2, "t", "y")


def test_an_append_raises_the_urgency_only_where_asked():
    assert "urgency" not in describe_append(WRITING, "k", Script(entry="e"), None)["fields"]
    assert describe_append(WRITING, "k", Script(entry="e"), 1)["fields"]["urgency"] == "1"


def test_a_resolve_has_a_solution_and_a_reopen_has_none():
    resolve = describe_stimulus(WRITING, "k", "ev_resolve", Script(entry="e", solution="s"), {})
    assert resolve["fields"]["solution"] == "s"
    assert resolve["fields"]["resolution_code"] == "assistance"
    assert "solution" not in describe_stimulus(WRITING, "k", "ev_reopen", Script(entry="e"), {})["fields"]


@pytest.mark.parametrize(
    ("attribute", "key"),
    [
        ("team_id", r"SELECT Team WHERE name = 'S\'OC'"),
        ("caller_id", "SELECT Person WHERE friendlyname = 'Carla Caller'"),
    ],
)
def test_references_are_quoted_names(attribute, key):
    assert name_references(WRITING, leave_out=frozenset())[attribute] == key
    assert attribute not in name_references(WRITING, leave_out=frozenset({attribute}))


def test_an_agent_is_ours_only_if_it_is_the_one_we_named():
    named = Writing(TEXTS, references=(("agent_id", "Person", "Alice Agent"),))
    shown = incident(agent=3, agent_name="Alice agent")  # iTop compares without case
    assert own_agent(named, shown) == 3
    assert own_agent(named, incident(agent=4, agent_name="Bob Agent")) == 0
    assert own_agent(WRITING, shown) == 0
