"""The library without await: the older tool's examples as written there, and what a script may do."""

import asyncio
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from itop_server import serve_itop, write_legacy

from itop_bridge import blocking
from itop_bridge.blocking import CreateAction, GetAction, ITop, ListAction
from itop_bridge.itop.client import Connection
from itop_bridge.itop.error import ReadOnlyError, RequestError

PERSONS = GetAction(iclass="Person", output=["name"])

EXAMPLES = """
    itop = ITop(config="./soc_apiclient_itop.cfg.json")

    persons = GetAction(iclass="Person", output=["first_name", "name", "email"])

    everybody = persons()

    by_query = someone = persons(key="SELECT Person WHERE name LIKE 'A_Person_Name'")

    by_tree = someone = persons(key={
      "name": "A_Person_Name",
      "email": "someone@mail.com"
      })

    by_id = someone = persons(key=1234)
"""
"""The README of the older tool, but for the import and the names of three results, which are looked at here."""


@pytest.fixture(scope="module")
def served():
    with serve_itop() as (simulator, url):
        yield simulator, url


@pytest.fixture
def here(served):
    return Connection(served[1], "admin", "admin")


@pytest.fixture(autouse=True)
def _closed():
    yield
    while blocking._kept:
        blocking._kept[-1].close()


def test_the_older_tools_examples_run_as_written(tmp_path, monkeypatch):
    with serve_itop() as (_, url):
        write_legacy(tmp_path, url).rename(tmp_path / "soc_apiclient_itop.cfg.json")
        monkeypatch.chdir(tmp_path)
        ITop(config="./soc_apiclient_itop.cfg.json")
        person = {"name": "A_Person_Name", "first_name": "x", "email": "someone@mail.com", "org_id": 2}
        CreateAction(iclass="Person", fields=person)()
        names = {"ITop": ITop, "GetAction": GetAction}
        exec(textwrap.dedent(EXAMPLES), names)
        _closed_now()
    assert names["everybody"].total == 6
    assert [each.fields["email"] for each in names["by_query"]] == ["someone@mail.com"]
    assert [each.fields["first_name"] for each in names["by_tree"]] == ["x"]
    assert names["by_id"].objects == ()


def _closed_now():
    while blocking._kept:
        blocking._kept[-1].close()


def test_a_connection_is_current_from_when_it_is_made(here):
    with pytest.raises(RequestError, match="no connection to iTop was made"):
        PERSONS()
    first = ITop(here)
    assert PERSONS().total == 5
    assert blocking.current_itop() is first
    second = ITop(here)
    assert blocking.current_itop() is second
    second.close()
    assert blocking.current_itop() is first


def test_a_with_is_current_within_its_block_and_closes(here):
    outer = ITop(here)
    with ITop(here) as inner:
        ITop(here)  # also over one that is made later
        assert blocking.current_itop() is inner
        assert PERSONS().total == 5
    assert blocking.current_itop() is not inner
    with pytest.raises(RuntimeError, match="closed"):
        inner.call({"operation": "list_operations"})
    inner.close()
    assert outer in blocking._kept


def test_the_connection_given_wins(here):
    given = ITop(here, read_only=True)
    ITop(here)
    create = CreateAction(iclass="Person", fields={})
    with pytest.raises(ReadOnlyError):
        create(itop=given)
    assert "read-only" in repr(given)


def test_it_works_where_a_loop_is_running(here):
    async def cell():
        with ITop(here):
            return ListAction()().operations

    assert "core/get" in asyncio.run(cell())


def test_threads_share_what_was_made_and_not_what_was_entered(here):
    made = ITop(here)
    seen = []

    def work():
        seen.append((blocking.current_itop(), PERSONS().total))

    with ITop(here):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {total for _, total in seen} == {5}
    assert {id(itop) for itop, _ in seen} <= {id(each) for each in (made, *[itop for itop, _ in seen])}


def test_pages_are_a_plain_iterator(here):
    ITop(here)
    assert sorted(each.key for each in PERSONS.pages(size=2)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", [name for name in blocking.__all__ if name.endswith("Action")])
def test_every_action_is_there(name):
    import itop_bridge

    assert issubclass(getattr(blocking, name), getattr(itop_bridge, name))


def run_script(text, **options):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[2],
        **options,
    )


def test_a_script_that_closes_nothing_ends_without_a_word(served):
    done = run_script(f"""
        from itop_bridge.blocking import Connection, GetAction, ITop
        ITop(Connection("{served[1]}", "admin", "admin"))
        print(GetAction(iclass="Person", output=["name"])().total)
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


def test_a_child_after_a_fork_has_its_own_connection(served):
    done = run_script(f"""
        import os
        from itop_bridge.blocking import Connection, GetAction, ITop
        ITop(Connection("{served[1]}", "admin", "admin"))
        persons = GetAction(iclass="Person", output=["name"])
        assert persons().total == 5
        child = os.fork()
        if not child:
            print(persons().total, flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert persons().total == 5
    """)
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr


def test_importing_the_package_loads_nothing_heavy():
    done = run_script("""
        import sys
        from itop_bridge import ITop, GetAction, ListAction, CreateAction, UpdateAction, StimulateAction, oql
        heavy = {"structlog", "aiohttp", "pydantic", "jinja2", "yaml", "asyncio", "sqlite3", "orjson"}
        print(sorted(heavy & set(sys.modules)))
    """)
    assert done.stdout == "[]\n", done.stderr


def test_every_name_that_is_promised_is_there():
    import itop_bridge

    for name in itop_bridge.__all__:
        assert getattr(itop_bridge, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Gone'"):
        _ = itop_bridge.Gone
    assert set(itop_bridge.__all__) <= set(dir(itop_bridge))
    assert not re.search(r"\d", "".join(itop_bridge.__all__))
