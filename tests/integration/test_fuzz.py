import random

import fuzz
import pytest
from mutator import Mutator


@pytest.mark.parametrize("seed", [1, 2])
async def test_hostile_messages_end_as_intents_drops_or_dead_letters(seed):
    ended = await fuzz.run(seed, lambda so_far: so_far.messages < 1_500)
    assert ended.findings == []
    assert ended.outcomes["intents"] > 50
    assert {"invalid_json", "invalid_topic", "no_route"} <= set(ended.outcomes)


async def test_a_fault_of_ours_is_found(monkeypatch):
    def fail(*_):
        raise KeyError("x")

    monkeypatch.setattr("itop_bridge.triage.mapping.Reader._read", fail)
    ended = await fuzz.run(1, lambda so_far: so_far.messages < 100)
    assert any(text.startswith("mapping_failed") for text, *_ in ended.findings)


async def test_a_lost_element_is_found(monkeypatch):
    monkeypatch.setattr("itop_bridge.journal.batch.Batch._drop", lambda *_: None)
    ended = await fuzz.run(1, lambda so_far: so_far.messages < 100)
    assert any(text.startswith("lost") for text, *_ in ended.findings)


def test_the_same_seed_draws_the_same():
    one, other = (Mutator(random.Random(3), fuzz.load_seeds()) for _ in range(2))
    assert [one.draw() for _ in range(50)] == [other.draw() for _ in range(50)]
