import pytest

from itop_bridge.settings.resolving import ResolveRule, parse_resolving


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("never", ResolveRule("never")),
        ({"path": ["ev_assign", "ev_resolve"]}, ResolveRule("unheld", ("ev_assign", "ev_resolve"))),
        ({"when": "always", "path": ["ev_fix"]}, ResolveRule("always", ("ev_fix",))),
        ({"when": "always"}, ResolveRule("always")),
        (ResolveRule("never"), ResolveRule("never")),
    ],
)
def test_a_rule_is_a_word_or_has_a_path(value, rule):
    assert parse_resolving(value) == rule


@pytest.mark.parametrize(
    "value", ["sometimes", 7, None, {}, {"path": "ev_resolve"}, {"path": ["ev resolve"]}, {"when": "unheld", "way": []}]
)
def test_anything_else_is_refused_with_the_choices(value):
    with pytest.raises(ValueError, match="unheld, always or never"):
        parse_resolving(value)
