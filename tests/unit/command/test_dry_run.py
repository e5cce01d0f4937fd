import json

import pytest

from itop_bridge.command.dry_run import DryRun
from itop_bridge.itop.action import CheckCredentialsAction, CreateAction, DeleteAction, GetAction
from itop_bridge.itop.client import Connection


@pytest.fixture
async def itop():
    async with DryRun(Connection("http://itop.invalid", "u", "s3cret")) as itop:
        yield itop


async def test_a_read_is_printed_and_finds_nothing(itop, capsys):
    answer = await GetAction(iclass="Person", key={"name": "é"}, output=["name"])()
    assert (answer.objects, answer.total) == ((), 0)
    assert json.loads(capsys.readouterr().out) == {
        "operation": "core/get",
        "class": "Person",
        "key": {"name": "é"},
        "output_fields": "name",
    }


@pytest.mark.parametrize(
    "action", [CreateAction(iclass="Team", fields={"name": "x"}), DeleteAction(iclass="Team", key=6)]
)
async def test_a_write_is_printed_and_succeeds(itop, capsys, action):
    (shown,) = await action()
    assert (shown.iclass, shown.key) == ("Team", 0)
    assert capsys.readouterr().out.count("\n") == 1


async def test_no_password_is_printed(itop, capsys):
    await CheckCredentialsAction(user="alice", password="hunter2")()
    assert "hunter2" not in capsys.readouterr().out
