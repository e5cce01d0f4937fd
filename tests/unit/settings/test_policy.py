import dataclasses

from itop_bridge.settings.policy import Policy
from itop_bridge.settings.route import PolicyKeys


def test_every_rule_is_a_key_with_the_same_default():
    keys = PolicyKeys()
    told = {name: getattr(keys, name, None) for name in dataclasses.asdict(Policy())}
    told |= {"resolve": keys.resolve.when, "resolve_path": keys.resolve.path}
    assert told == dataclasses.asdict(Policy())


def test_a_policy_survives_json_types():
    assert Policy(**dataclasses.asdict(Policy(group_wait=1.5, recurrence="new"))) == Policy(
        group_wait=1.5, recurrence="new"
    )
