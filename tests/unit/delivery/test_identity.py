import dataclasses

import pytest
from situation import case, incident

from itop_bridge.delivery.identity import Claim, Identities, decide_identity
from itop_bridge.intent import Texts, Writing

WRITING = Writing(Texts("t", "d", "c", "a", "r", "s"))
CASE = case(id=1, digest="0a1b2c3d4e5f", incident=7, ref="I-000007")
OTHERS = "[SIEM-ffffffffffff] Brute force"


def claim(title="[SIEM-0a1b2c3d4e5f] Brute force", ref="I-000007", number=7):
    return Claim(CASE, WRITING, incident(id=number, ref=ref, title=title))


@pytest.mark.parametrize(
    ("shown", "identity"),
    [
        (claim(), "own"),
        (claim("[ESCALATED] [SIEM-0a1b2c3d4e5f] Brute force"), "own"),
        (claim(ref="I-000003"), "foreign"),
        (claim(OTHERS), "foreign"),
        (claim("Renamed by a person"), "unclear"),
        (claim(ref="I-000003", number=3), "own"),
    ],
    ids=["as written", "renamed", "another ref", "another case", "no key", "of the incident before"],
)
def test_whose_it_is(shown, identity):
    assert decide_identity(shown) == identity


def test_a_key_is_known_by_the_prefix_of_the_site():
    writing = dataclasses.replace(WRITING, title_prefix="SOC ({digest})")
    shown = claim("SOC (ffffffffffff) Brute force")
    assert decide_identity(dataclasses.replace(shown, writing=writing)) == "foreign"


class Reader:
    """iTop, where the bridge has written in these incidents."""

    def __init__(self, *marked):
        self.marked = set(marked)
        self.asked = []

    async def find_marked(self, iclass, log, ids):
        self.asked.append((iclass, log, sorted(ids)))
        return self.marked & set(self.asked[-1][2])


async def test_only_what_is_unclear_is_asked():
    reader = Reader()
    assert await Identities(reader).find_foreign([claim(), claim(OTHERS)]) == {(1, 7)}
    assert reader.asked == []


@pytest.mark.parametrize(("marked", "foreign"), [([7], set()), ([], {(1, 7)})])
async def test_a_renamed_incident_is_told_by_what_the_bridge_wrote(marked, foreign):
    reader = Reader(*marked)
    assert await Identities(reader).find_foreign([claim("Renamed by a person")]) == foreign
    assert reader.asked == [("Incident", "public_log", [7])]
