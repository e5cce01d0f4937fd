import pytest

from itop_bridge.cli.sheet import draw_facts, draw_steps, format_age, format_moment, quote, shorten


@pytest.mark.parametrize(
    ("moment", "text"),
    [(None, ""), (0, "1970-01-01 00:00:00"), (1_790_000_000.9, "2026-09-21 14:13:20"), (1e20, "@1e+20")],
)
def test_a_moment_is_told_in_utc(moment, text):
    assert format_moment(moment) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (0.4, "0s"), (59, "59s"), (3600, "1h"), (3725, "1h2m"), (90_000, "1d1h")]
)
def test_an_age_has_its_two_largest_units(seconds, text):
    assert format_age(seconds) == text


def test_facts_are_aligned_and_what_is_not_known_is_left_out():
    assert draw_facts([("a", 1), ("none", None), ("empty", ""), ("long", "x\x1b[31m")]) == [
        "  a     1",
        "  long  x\\x1b[31m",
    ]


def test_steps_are_aligned_with_their_times():
    assert draw_steps([(0, "received", "a\nb"), (None, "case", "")]) == [
        "  1970-01-01 00:00:00  received  a\\nb",
        "                       case",
    ]


def test_a_text_of_others_cannot_pass_for_the_programs():
    assert quote("a\nstate open\r\x1b[2J") == ["  | a", "  | state open\\r\\x1b[2J"]


def test_a_long_text_is_cut():
    assert shorten("x" * 200) == "x" * 119 + "…"
    assert shorten("x\n") == "x\\n"
    assert shorten(None) == ""
