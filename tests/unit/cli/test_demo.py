import argparse
from pathlib import Path

import pytest

from itop_bridge.cli import demo
from itop_bridge.errors import BridgeError

ARGS = argparse.Namespace(alerts=7, keep=False, no_color=False, iclass="Incident")


@pytest.fixture
def play(monkeypatch, tmp_path):
    """Put `outcome` in the place of the demo; returns what it was asked for."""
    monkeypatch.setattr(demo.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(demo, "configure_log", lambda *_, **__: None)
    seen = {}

    def prepare(outcome):
        async def run_demo(folder, alerts, _screen, _stop, *, keep, iclass):
            seen.update(folder=folder, alerts=alerts, keep=keep, iclass=iclass)
            if isinstance(outcome, BridgeError):
                raise outcome
            return outcome

        monkeypatch.setattr(demo, "run_demo", run_demo)
        return seen

    return prepare


@pytest.mark.parametrize(("outcome", "code"), [(True, 0), (False, 1), (None, 130)])
def test_the_exit_code_tells_how_it_went(play, outcome, code):
    seen = play(outcome)
    assert demo.run(ARGS) == code
    assert (seen["alerts"], seen["keep"]) == (7, False)


@pytest.mark.parametrize("outcome", [True, None])
def test_a_demo_that_went_well_or_was_interrupted_leaves_nothing(play, tmp_path, outcome):
    play(outcome)
    demo.run(ARGS)
    assert list(tmp_path.iterdir()) == []


def test_the_files_of_a_demo_that_failed_stay_and_it_says_where(play, capsys):
    seen = play(False)
    demo.run(ARGS)
    assert str(seen["folder"]) in capsys.readouterr().out
    assert [path.name for path in Path(seen["folder"]).iterdir()] == ["itop-bridge.log"]


def test_so_do_those_of_one_that_got_stuck(play, capsys):
    seen = play(BridgeError("stuck"))
    with pytest.raises(BridgeError, match="stuck"):
        demo.run(ARGS)
    assert str(seen["folder"]) in capsys.readouterr().out
