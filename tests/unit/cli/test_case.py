import io
import json
import sys

import pytest
from filled import deliver, park

from itop_bridge.cli import case
from itop_bridge.cli.case import describe_case, summarise_resolve
from itop_bridge.cli.main import build_parser


def owed(operator):
    [(count,)] = operator.query("SELECT count(*) FROM intents WHERE kind = 'resolve' AND state = 'pending'")
    return count


def test_the_list_is_tab_separated_in_a_pipe(operator):
    operator.change(deliver)
    code, out, _ = operator.run("cases", "list")
    header, row = [line.split("\t") for line in out.splitlines()]
    told = dict(zip(header, row, strict=True))
    assert code == 0
    assert (told["organization"], told["route"], told["state"], told["incident"]) == (
        "code:EXC",
        "r",
        "open",
        "I-000007",
    )
    assert (told["firing"], told["pending"], told["opened"]) == ("1", "0", "1970-01-01 00:16:40")


def test_filters_leave_some(operator):
    for words, found in {
        ("--route", "r"): 1,
        ("--route", "other"): 0,
        ("--organization", "EXC"): 1,
        ("--state", "waiting"): 1,
        ("--state", "open"): 0,
        ("--since", "1970-01-01"): 1,
        ("--since", "1h"): 0,
    }.items():
        _, out, _ = operator.run("cases", "list", "--json", *words)
        assert len(out.splitlines()) == found, words


def test_a_list_that_is_cut_says_so_and_a_long_one_comes_page_by_page(operator, monkeypatch):
    row = "INSERT INTO cases (key, digest, organization, profile, opened) VALUES (?, 'd', 'o', 'p', 1)"

    async def add(store):
        await store.write(lambda sql: sql.executemany(row, [(str(number),) for number in range(6)]).rowcount)

    operator.change(add)
    monkeypatch.setattr(case, "_PAGE", 2)
    _, out, err = operator.run("cases", "list", "--json")
    assert ([json.loads(line)["id"] for line in out.splitlines()], err) == ([1, 2, 3, 4, 5, 6, 7], "")
    _, out, err = operator.run("cases", "list", "--json", "--limit", 3)
    assert len(out.splitlines()) == 3
    assert err == "the first 3: --limit N shows more, filters show others\n"
    assert operator.run("cases", "list", "--limit", 7)[2] == ""


def test_a_case_is_shown_with_its_life(operator):
    operator.change(deliver)
    for name in ("1", "I-000007"):
        code, out, _ = operator.run("cases", "show", name)
        assert code == 0
        lines = out.splitlines()
        assert lines[0].startswith("case ")
        assert "  state         open" in lines
        assert "  incident      I-000007" in lines
        assert "  intents       1 delivered created" in lines
        start = lines.index("life")
        assert lines[start + 1 :] == [
            "  1970-01-01 00:16:40  opened",
            "  1970-01-01 00:16:40  create  delivered created: t (id a1, event 4/0)",
            "  1970-01-01 00:16:41  sent    create in I-000007 (attempt 1): seen in iTop",
        ]


def test_a_parked_case_says_why(operator):
    operator.change(park)
    _, out, _ = operator.run("cases", "show", 1)
    assert "  state         parked: organization_unknown" in out.splitlines()
    assert "dead letter  4 open, organization_unknown: x" in out


def test_what_others_wrote_is_escaped():
    facts = dict.fromkeys(("parked", "incident", "ref", "due", "failures"))
    facts |= {"digest": "d", "state": "idle", "organization": "o", "route": "r", "key": "k\n\x1b[2J", "opened": 0}
    facts |= {"entries": 0, "firing": 0, "attempts": [], "letters": [], "counts": []}
    intent = {"received": 0, "kind": "create", "state": "pending", "reason": None, "event_id": 1, "idx": 0}
    facts["intents"] = [{**intent, "title": "t\n\x1b[2J", "alert_id": "a\r"}]
    facts["alerts"] = [{"received": 0, "state": "firing", "id": "a\r\n"}]
    assert all(line.isprintable() for line in describe_case(facts))


def test_one_that_is_not_there_is_told(operator):
    code, out, err = operator.run("cases", "show", "I-000099")
    assert (code, out) == (1, "")
    assert "there is no case 'I-000099': give its id" in err


def test_one_is_shown_as_json(operator):
    assert json.loads(operator.run("cases", "show", 1, "--json")[1])["state"] == "waiting"


RESOLVE = ["cases", "resolve", "--route", "r", "--since", "1970-01-01"]


def test_a_resolve_is_asked_for_and_taken_up_when_the_daemon_starts(operator):
    operator.change(deliver)
    told = "asked for the resolution of 1 case: taken up when the daemon starts\n"
    assert operator.run(*RESOLVE, "--yes")[:2] == (0, told)
    assert owed(operator) == 1


def test_it_needs_a_yes(operator, monkeypatch):
    operator.change(deliver)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    code, _, err = operator.run(*RESOLVE)
    assert code == 2
    assert "Resolve 1 case of the route r? Give --yes" in err
    assert owed(operator) == 0


def test_a_dry_run_counts(operator):
    operator.change(deliver)
    assert operator.run(*RESOLVE, "--dry-run")[:2] == (0, "would resolve 1 case\n")
    assert operator.run("--dry-run", *RESOLVE)[:2] == (0, "would resolve 1 case\n")
    assert owed(operator) == 0


def test_nothing_to_resolve_is_said_without_a_question(operator):
    assert operator.run(*RESOLVE)[:2] == (0, "no open incident to resolve\n")


def test_a_route_is_needed_and_must_be_there(operator):
    with pytest.raises(SystemExit):
        operator.run("cases", "resolve", "--since", "2h")
    code, _, err = operator.run("cases", "resolve", "--route", "x", "--since", "2h", "--yes")
    assert code == 1
    assert "there is no route 'x'; there are r" in err


def test_what_is_still_owed_is_told():
    answer = {"found": 40, "changed": 40, "owed": 2, "running": True}
    assert summarise_resolve(answer, dry_run=False) == (
        "asked for the resolution of 40 cases: 38 settled, 2 still owed to iTop"
    )


@pytest.mark.parametrize("verb", ["list", "show", "resolve"])
def test_every_help_has_an_example(verb, capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["cases", verb, "--help"])
    assert "Example: itop-bridge cases" in capsys.readouterr().out
