import pytest
from pydantic import ValidationError

from itop_bridge.settings.inhibition import Inhibition

RULE = {"source": {"matchers": {"rule": "HostDown"}}, "target": {"when": "true"}}


def test_a_rule_has_a_source_and_a_target():
    rule = Inhibition.model_validate({**RULE, "equal": ["host"], "for": "15m"})
    assert (rule.equal, rule.hold) == (("host",), 900.0)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"source": {}}, ()),
        ({"target": {"matchers": {}}}, ()),
        ({"for": 15}, ("for",)),
        ({"for": "0s"}, ("for",)),
        ({"equals": ["host"]}, ("equals",)),
        ({"source": {"matcher": {}}}, ("source", "matcher")),
    ],
)
def test_what_is_wrong_is_told_at_its_place(changes, path):
    with pytest.raises(ValidationError) as caught:
        Inhibition.model_validate({**RULE, **changes})
    assert [error["loc"] for error in caught.value.errors()] == [path]
