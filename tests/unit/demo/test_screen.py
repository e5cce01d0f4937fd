import io

import pytest

from itop_bridge.demo.screen import Screen


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_elsewhere_a_line_a_second_is_shown():
    stream, now = io.StringIO(), [100.0]
    screen = Screen(stream, monotonic=lambda: now[0])
    for text in ("one", "two"):
        screen.show(text)
    now[0] += 1
    screen.show("three")
    assert stream.getvalue() == "one\nthree\n"


def test_on_a_terminal_the_progress_stays_on_its_line_and_gives_way_to_what_is_told():
    stream = Terminal()
    screen = Screen(stream, environment={})
    screen.show("10 done")
    screen.show("9 done")
    screen.tell("a storm")
    assert stream.getvalue() == "\r\x1b[2K10 done\r\x1b[2K9 done\r\x1b[2Ka storm\n"


def test_progress_never_breaks_the_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    Screen(stream, environment={}).show("x" * 100)
    assert stream.getvalue() == f"\r\x1b[2K{'x' * 18}…"


@pytest.mark.parametrize(
    ("stream", "environment", "colour", "painted"),
    [
        (Terminal(), {}, True, True),
        (Terminal(), {"NO_COLOR": "1"}, True, False),
        (Terminal(), {"NO_COLOR": ""}, True, True),
        (Terminal(), {"TERM": "dumb"}, True, False),
        (Terminal(), {}, False, False),
        (io.StringIO(), {}, True, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(stream, environment, colour, painted):
    Screen(stream, colour=colour, environment=environment).tell("bad", "31")
    assert stream.getvalue() == ("\x1b[31mbad\x1b[0m\n" if painted else "bad\n")


def test_what_an_attacker_wrote_is_not_obeyed():
    stream = io.StringIO()
    screen = Screen(stream)
    screen.tell("\x1b[2J")
    screen.show("\x07")
    assert stream.getvalue() == "\\x1b[2J\n\\x07\n"
