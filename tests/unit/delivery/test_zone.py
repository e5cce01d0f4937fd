from itop_bridge.delivery.zone import ServerClock


def test_itops_dates_have_no_meaning_before_a_write_told_the_distance():
    assert ServerClock().read("2026-11-24 10:00:00") is None


def test_the_distance_is_learned_from_our_own_write():
    clock = ServerClock()
    clock.learn("2026-11-24 11:00:00", 1_795_510_800.0)  # 10:00 UTC: the server writes Paris time
    assert clock.read("2026-11-24 12:30:00") == 1_795_510_800.0 + 5_400


def test_an_empty_or_odd_date_is_none():
    clock = ServerClock(0.0)
    assert clock.read("") is None
    assert clock.read("yesterday") is None
    clock.learn("", 1.0)
    assert clock.offset_s == 0.0


def test_it_is_told_when_the_distance_is_another():
    clock = ServerClock()
    assert clock.learn("2026-11-24 11:00:00", 1_795_510_800.0)
    assert not clock.learn("2026-11-24 11:00:01", 1_795_510_800.0)
    assert clock.learn("2026-11-24 12:00:00", 1_795_510_800.0)
    assert not clock.learn("", 1.0)


def test_the_zone_is_estimated_from_a_write_that_was_found_minutes_later():
    clock, sent = ServerClock(), 1_795_510_800.0
    assert clock.estimate("2026-11-24 11:02:10", sent, sent + 400)
    assert clock.offset_s == 7_200.0
    assert not clock.estimate("2026-11-24 18:00:00", sent, sent + 400)
    assert not ServerClock().estimate("", sent, sent + 400)


def test_no_zone_is_taken_where_two_would_do():
    clock, sent = ServerClock(), 1_795_510_800.0
    assert not clock.estimate("2026-11-24 11:16:00", sent, sent + 1_000)
    assert clock.offset_s is None
