import pytest

from itop_bridge.mail.quota import Quota


def quota(sent, at=0.0):
    now = [at]
    quota = Quota(lambda: now[0])
    for _ in range(sent):
        quota.count()
    return quota, now


@pytest.mark.parametrize(("most", "usual", "urgent"), [(1, 1, 1), (4, 3, 4), (30, 23, 30)])
def test_a_quarter_is_left_for_what_is_urgent(most, usual, urgent):
    assert [quota(n)[0].allows(most, urgent=False) for n in range(urgent + 1)].count(True) == usual
    assert [quota(n)[0].allows(most, urgent=True) for n in range(urgent + 1)].count(True) == urgent


def test_an_hour_later_there_is_room_again():
    counted, now = quota(4)
    assert not counted.allows(4, urgent=True)
    now[0] = 3600.0
    assert counted.allows(4, urgent=False)
