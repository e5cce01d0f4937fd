import json

from landing import PROFILE

from itop_bridge.intent import Cmdb, Texts, Writing
from itop_bridge.journal.profile import Profile, parse_profile
from itop_bridge.settings.policy import Attach, Flapping, Policy, Storm

FULL = Profile(
    "r",
    "f",
    Policy(
        resolve_path=("ev_assign", "ev_resolve"),
        flapping=Flapping(6, 600.0),
        storm=Storm(50, 300.0),
        attach=Attach(1_048_576),
    ),
    Writing(
        Texts("t", "d", "c", "a", "r", "s"),
        references=(("team_id", "Team", "SOC"),),
        fields=(("impact", 1),),
        cmdb=Cmdb(("Server",), (("name", "host"),), where=(("status", "production"),), team="supportteam_id"),
    ),
    (("console_url", "https://siem.example"),),
)


def test_a_profile_is_read_back_as_it_was_stored():
    for profile in (PROFILE, FULL):
        assert parse_profile(profile.body) == profile


def test_a_profile_of_another_version_is_read_as_far_as_it_goes():
    values = json.loads(PROFILE.body)
    del values["writing"]["cmdb"]
    values["writing"]["later"] = 1
    assert parse_profile(json.dumps(values)) == PROFILE
