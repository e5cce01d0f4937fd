import io
import sys

import pytest

from itop_bridge.command.progress import show_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def stderr(monkeypatch):
    def replace(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        return stream

    return replace


def test_a_long_reading_is_drawn_on_a_terminal(stderr):
    stream = stderr(Terminal())
    with show_progress() as advance:
        advance(200, 401)
        advance(400, 401)
    assert "/401" in stream.getvalue()


def test_one_page_is_not(stderr):
    stream = stderr(Terminal())
    with show_progress() as advance:
        advance(3, 3)
    assert stream.getvalue() == ""


def test_nothing_is_drawn_elsewhere(stderr):
    stream = stderr(io.StringIO())
    with show_progress() as advance:
        advance(200, 401)
    assert stream.getvalue() == ""
