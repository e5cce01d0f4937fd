import pytest

from itop_bridge.mail.patience import MOST_S, REFUSED_S, Patience


@pytest.mark.parametrize("dice", [0.0, 0.999])
def test_what_may_work_soon_is_tried_ever_more_seldom(dice):
    patience = Patience()
    waits = []
    for _ in range(12):
        patience.note("unreachable", 0.0, lambda: dice)
        waits.append(patience.until)
    assert waits == sorted(waits)
    assert 7.5 <= waits[0] <= 15.0
    assert MOST_S / 2 <= waits[-1] <= MOST_S


@pytest.mark.parametrize("reason", ["login_refused", "recipients_refused", "refused"])
def test_what_takes_a_person_is_tried_seldom_from_the_first(reason):
    patience = Patience()
    patience.note(reason, 5.0, lambda: 0.0)
    assert patience.until == 5.0 + REFUSED_S


def test_at_first_nothing_waits():
    assert Patience().until < 0
