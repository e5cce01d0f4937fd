import argparse
import json

import pytest

from itop_bridge.command.session import Session, command
from itop_bridge.errors import BridgeError, UsageError
from itop_bridge.itop.connection import current_itop


@pytest.fixture
def args(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({"address": "http://itop.invalid", "user": "u", "password": "p"}))
    return argparse.Namespace(
        config=tmp_path / "c.json",
        command="mine",
        logfile=None,
        output_format="table",
        read_only=False,
        dry_run=False,
    )


def test_a_handler_gets_an_open_connection_and_its_return_is_the_exit_code(args):
    async def handler(session, given):
        assert current_itop() is session.itop
        assert given is args
        return 3

    assert command(handler)(args) == 3


def test_no_return_is_0(args):
    async def handler(session, _args):
        session.say("done \x1b[31m")

    assert command(handler)(args) == 0


def test_read_only_reaches_the_connection(args):
    async def handler(session, _args):
        return int(session.itop.read_only)

    args.read_only = True
    assert command(handler)(args) == 1


def test_without_a_configuration_it_is_usage(args):
    async def handler(*_):
        pytest.fail("called")

    args.config = None
    with pytest.raises(UsageError, match="which configuration"):
        command(handler)(args)


def test_a_log_that_cannot_be_written_is_told_before_anything_is_done(args, tmp_path):
    async def handler(*_):
        pytest.fail("called")

    args.logfile = tmp_path / "none" / "x.log"
    with pytest.raises(BridgeError, match="cannot write the log"):
        command(handler)(args)


def test_what_is_said_is_one_line_and_obeyed_by_no_terminal(args, capsys):
    session = Session(None, None, args)
    session.say("a\x1b[31m\nb")
    session.tell("c\x07")
    assert capsys.readouterr() == ("a\\x1b[31m\\nb\n", "c\\x07\n")
