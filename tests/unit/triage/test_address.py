import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.triage.address import read_address


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:22", "192.0.2.1"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("[2001:db8::7]:22", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:22", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 198.51.100.2", "192.0.2.1"),
        ("192.0.2.1," + "198.51.100.2," * 100, "192.0.2.1"),
        (["-", "192.0.2.1", "192.0.2.2"], "192.0.2.1"),
    ],
)
def test_addresses_are_canonical_and_without_port(value, address):
    assert read_address(value) == (address, ())


@pytest.mark.parametrize(
    "value",
    [
        "web-1",
        "0.0.0.0",
        "::",
        "0.0.0.0:0",
        "000.000.000.000",
        "010.0.0.1",
        "xxx.xxx.x.x",
        "192.0.2",
        "256.1.1.1",
        "192.0.2.1/24",
        5,
        "1" * 1000,
        "\N{ARABIC-INDIC DIGIT ONE}.1.1.1",
    ],
)
def test_what_is_no_address_is_absent_and_noted(value):
    assert read_address(value) == (None, ("address_invalid",))


@pytest.mark.parametrize("value", [None, "", "-", "N/A", [], {}, True])
def test_what_is_absent_leaves_no_note(value):
    assert read_address(value) == (None, ())


@pytest.mark.parametrize(
    ("members", "address", "notes"),
    [
        (["192.0.2.1", "192.0.2.2"], "192.0.2.1", ()),
        (["", None, "0.0.0.0", "web-1", ["192.0.2.9"], "192.0.2.2:80"], "192.0.2.2", ("address_invalid",)),
        (["web-1", "-"], None, ("address_invalid",)),
    ],
)
def test_of_an_array_the_first_that_is_an_address_counts(members, address, notes):
    assert read_address(members) == (address, notes)


@given(st.ip_addresses())
def test_every_address_is_read_as_itself(address):
    read, _ = read_address(str(address))
    mapped = getattr(address, "ipv4_mapped", None)
    assert read == (None if address.is_unspecified or (mapped and mapped.is_unspecified) else str(mapped or address))


@given(st.text())
def test_no_text_raises(text):
    read_address(text)
