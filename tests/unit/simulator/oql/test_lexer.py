import pytest

from itop_bridge.simulator.oql.lexer import END, UnreadableError, tokenize, unquote


def test_tokens_know_their_place():
    tokens = tokenize("SELECT Incident WHERE id>0")
    assert [(token.kind, token.text, token.at) for token in tokens] == [
        ("SELECT", "SELECT", 0),
        ("NAME", "Incident", 7),
        ("WHERE", "WHERE", 16),
        ("NAME", "id", 22),
        ("GT", ">", 24),
        ("NUMVAL", "0", 25),
        (END.kind, "0", 0),
    ]


def test_not_like_and_not_in_are_one_token_each():
    assert [token.kind for token in tokenize("not  like NOT IN NOTICE")] == ["NOT_LIKE", "NOT_IN", "NAME", END.kind]


@pytest.mark.parametrize(
    ("quoted", "value"),
    [
        (r"'it\'s a \\ \"'".replace(r"\"", '"'), "it's a \\ \""),
        (r'"a \"q\" \\"', 'a "q" \\'),
        ("'a\nb'", "a\nb"),
    ],
)
def test_a_backslash_escapes_the_quote_and_itself(quoted, value):
    (token, _) = tokenize(quoted)
    assert token.kind == "STRVAL"
    assert unquote(token.text) == value


@pytest.mark.parametrize("text", ["'x", r"'100\% '", r"""'\"'"""])
def test_any_other_escape_and_an_open_quote_are_unreadable(text):
    with pytest.raises(UnreadableError, match=r"^Unexpected input at line 1: '$"):
        tokenize(text)
