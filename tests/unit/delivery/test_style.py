import dataclasses

import pytest
from situation import facts

from itop_bridge.delivery import style as module
from itop_bridge.delivery.style import Styles
from itop_bridge.errors import ExpressionError
from itop_bridge.intent import Texts, Writing
from itop_bridge.journal.profile import Profile
from itop_bridge.settings.policy import Policy

PROFILE = Profile(
    "r", "f", Policy(), Writing(Texts("{{ alert.title }}", "d", "c", "a", "r", "s"), iclass="UserRequest")
)
BROKEN = dataclasses.replace(PROFILE, writing=Writing(Texts("{% nonsense %}", "d", "c", "a", "r", "s")))


class Profiles:
    def __init__(self):
        self.fetched = []

    async def fetch(self, hashed):
        self.fetched.append(hashed)
        return (BROKEN if hashed == "broken" else PROFILE).body


async def test_a_profile_is_read_and_compiled_once():
    profiles = Profiles()
    styles = Styles(profiles.fetch)
    first, second = await styles.find("p"), await styles.find("p")
    assert first is second
    assert "Brute force" in first.pen.title({"alert": facts()}, "0a1b2c3d4e5f")
    assert profiles.fetched == ["p"]


async def test_texts_that_do_not_compile_still_tell_what_was_written():
    styles = Styles(Profiles().fetch)
    with pytest.raises(ExpressionError):
        await styles.find("broken")
    assert (await styles.find_writing("broken")).iclass == "Incident"


async def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 2)
    styles = Styles(Profiles().fetch)
    for number in range(5):
        await styles.find(f"p{number}")
    assert len(styles._profiles) <= 2
    assert len(styles._styles) <= 2
