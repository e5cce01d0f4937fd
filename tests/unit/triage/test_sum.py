"""What was mapped is told in few lines, and each alert once."""

from collections import Counter

import pytest
from structlog.testing import capture_logs

from itop_bridge.journal.landing import Tally
from itop_bridge.triage.sum import EVERY_S, Sums


@pytest.fixture
def logs():
    with capture_logs() as logs:
        yield logs


class Mapping:
    def __init__(self):
        self.now = 1000.0
        self.sums = Sums(lambda: self.now)

    def map(self, accepted=0, rejected=0, **drops):
        self.sums.add(Tally(accepted, sum(drops.values()), rejected, drops=Counter(drops)))


@pytest.fixture
def mapping():
    return Mapping()


def test_the_first_is_told_at_once_with_the_reasons_of_drops(mapping, logs):
    mapping.map(accepted=2, repeat=3)
    [line] = logs
    assert (line["event"], line["log_level"]) == ("alerts.mapped", "info")
    assert (line["accepted"], line["dropped"], line["rejected"], line["reasons"]) == (2, 3, 0, {"repeat": 3})


def test_what_comes_one_by_one_is_a_line_in_ten_seconds_and_the_sums_are_right(mapping, logs):
    for _ in range(600):
        mapping.map(accepted=1, rejected=1, repeat=1)
        mapping.now += 0.1
    mapping.sums.flush()
    assert len(logs) == 60 / EVERY_S + 1
    assert [sum(line[name] for line in logs) for name in ("accepted", "dropped", "rejected")] == [600] * 3
    assert sum(line["reasons"]["repeat"] for line in logs) == 600


def test_the_rest_is_told_once_nothing_comes_any_more(mapping, logs):
    mapping.map(accepted=1)
    mapping.map(accepted=5)
    mapping.sums.tell()
    assert len(logs) == 1
    mapping.now += EVERY_S
    mapping.sums.tell()
    mapping.sums.tell()
    assert [(line["accepted"], "reasons" in line) for line in logs] == [(1, False), (5, False)]


def test_nothing_is_not_told(mapping, logs):
    mapping.map()
    mapping.sums.flush()
    assert logs == []
