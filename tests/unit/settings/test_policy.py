import dataclasses

from itop_bridge.settings.policy import Policy
from itop_bridge.settings.route import PolicyKeys


def test_every_rule_is_a_key_with_the_same_default():
    keys = PolicyKeys()
    told = {name: getattr(keys, name) for name in dataclasses.asdict(Policy()) if not name.startswith("resolve")}
    told |= {"resolve": keys.resolve.when, "resolve_path": keys.resolve.path}
    told |= {"resolve_wait": keys.resolve_wait, "resolve_grace": keys.resolve_grace}
    assert told == dataclasses.asdict(Policy())


def test_a_policy_survives_json_types():
    assert Policy(**dataclasses.asdict(Policy(group_wait=1.5, recurrence="new"))) == Policy(
        group_wait=1.5, recurrence="new"
    )
