"""A strained iTop is an alarm for as long as it is."""

import pytest

from itop_bridge.delivery.strain import THROTTLED_S, tell_strain
from itop_bridge.itop.strain import Slowness, Throttling
from itop_bridge.log import Alarms


class Strain:
    def __init__(self):
        self.now = 1000.0
        self.alarms = Alarms(clock=lambda: self.now)
        self.slowness = Slowness(lambda: self.now)
        self.throttling = Throttling(lambda: self.now)

    def tell(self):
        tell_strain(self.slowness, self.throttling, self.alarms)
        return {name: alarm.detail for name, alarm in self.alarms.active.items()}


@pytest.fixture
def strain():
    return Strain()


def test_a_slow_itop_is_an_alarm_until_it_is_quick(strain):
    for _ in range(30):
        strain.now += 3.0
        strain.slowness.record(3.0)
    assert strain.tell() == {"itop_slow": "half of the last calls took 3.0 s or longer"}
    for _ in range(8):
        strain.slowness.record(0.1)
    assert strain.tell() == {}


def test_an_itop_that_lets_nothing_through_is_an_alarm_after_half_a_minute_until_it_does(strain):
    strain.throttling.record(60.0)
    strain.now += THROTTLED_S - 1.0
    assert strain.tell() == {}
    strain.now += 1.0
    assert strain.tell() == {"itop_throttled": "it asks to be left alone, for 30 s more"}
    strain.throttling.end()
    assert strain.tell() == {}
