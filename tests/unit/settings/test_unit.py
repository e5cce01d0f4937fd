import pytest

from itop_bridge.settings.unit import (
    Duration,
    Rate,
    Size,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("4h", 14_400), ("7d", 604_800), ("2w", 1_209_600), ("1h30m", 5400)],
)
def test_a_duration_is_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("value", [0, "0", "0s", 0.0])
def test_only_zero_needs_no_unit(value):
    assert parse_duration(value) == 0


@pytest.mark.parametrize("parse", [parse_duration, parse_rate, parse_size])
def test_a_plain_number_is_refused_with_an_example(parse):
    with pytest.raises(ValueError, match=r"with its unit, such as .*, not the plain number 30"):
        parse(30)


@pytest.mark.parametrize(
    "value", [False, True, None, [], "", "30", "s", "5 m", "-5m", "5M", "1e3s", "٣s", "9" * 40 + "s"]
)
@pytest.mark.parametrize("parse", [parse_duration, parse_rate, parse_size])
def test_what_is_no_quantity_is_refused(parse, value):
    with pytest.raises(ValueError):
        parse(value)


@pytest.mark.parametrize(("text", "per_second"), [("10/s", 10), ("600/m", 10), ("1800/h", 0.5), ("2.5/s", 2.5)])
def test_a_rate_is_per_second(text, per_second):
    assert parse_rate(text) == per_second


@pytest.mark.parametrize(("text", "size"), [("512B", 512), ("64KiB", 65_536), ("32MiB", 33_554_432), ("1GiB", 2**30)])
def test_a_size_is_bytes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["0s", "500ms", "1m30s", "4h", "1d", "3650d"])
def test_a_duration_is_written_as_it_is_read(text):
    assert format_duration(parse_duration(text)) == text


@pytest.mark.parametrize("text", ["10/s", "30/m", "7/h", "2.5/s"])
def test_a_rate_is_written_as_it_is_read(text):
    assert parse_rate(format_rate(parse_rate(text))) == parse_rate(text)


@pytest.mark.parametrize("text", ["0B", "1000B", "64KiB", "32MiB", "1GiB"])
def test_a_size_is_written_as_it_is_read(text):
    assert format_size(parse_size(text)) == text


@pytest.mark.parametrize(
    ("measure", "below", "within", "above"),
    [
        (Duration(least="1s", most="1m"), "999ms", "1s", "61s"),
        (Rate(least="1/m", most="5/s"), "1/h", "5/s", "6/s"),
        (Size(least="1KiB", most="2KiB"), "1B", "2KiB", "3KiB"),
    ],
)
def test_bounds_are_inclusive_and_told_with_their_unit(measure, below, within, above):
    measure.validate(within)
    with pytest.raises(ValueError, match=f"must be {measure.least} or more, not {below}"):
        measure.validate(below)
    with pytest.raises(ValueError, match=f"must be {measure.most} or less, not {above}"):
        measure.validate(above)
