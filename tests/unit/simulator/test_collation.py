import pytest

from itop_bridge.simulator.collation import compile_like, equal, fold_text


@pytest.mark.parametrize("other", ["dup", "DUP", "DÜP", "DUP  "])
def test_case_accents_and_trailing_blanks_do_not_count(other):
    assert equal("Dup", other)


def test_leading_blanks_count():
    assert not equal("Dup", " Dup")


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a%c", "ABBC", True),
        ("a_c", "abc", True),
        ("a_c", "ac", False),
        ("a.c", "abc", False),
        (r"a\%c", "abc", False),
        (r"a\%c", "a%c", True),
        ("%x%", "line1\nx", True),
        ("abc", "abc ", False),
    ],
)
def test_like_knows_two_wildcards_and_respects_blanks(pattern, text, matches):
    assert (compile_like(pattern).fullmatch(fold_text(text)) is not None) is matches
