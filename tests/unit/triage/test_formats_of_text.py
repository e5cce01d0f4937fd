"""CEF, LEEF, FortiGate and Snort: the rules that their examples do not show."""

from zoneinfo import ZoneInfo

import orjson
import pytest

from itop_bridge.alert import Event, Severity
from itop_bridge.bundled import bundled_folder
from itop_bridge.outcome import Dropped
from itop_bridge.triage.format import load_formats

FORMATS = load_formats([bundled_folder("config") / "formats"], {"cef", "leef", "fortigate", "snort"})


def read_one(name, text):
    payload = text if isinstance(text, bytes) else text.encode()
    event = Event(1, b"t", payload, 1_769_904_000.0)  # 2026-02-01
    (element,) = FORMATS[name].read(event, timezone=ZoneInfo("UTC"), unknown_severity=Severity.MEDIUM)
    return element


def cef(extension="", *, head="CEF:0|Example|Shield|4|100|Scan|5|"):
    return read_one("cef", head + extension)


def leef(extension="", *, head="LEEF:1.0|Example|Vault|9|Logon|"):
    return read_one("leef", head + extension)


def fortigate(pairs):
    return read_one("fortigate", f'logid="0419016384" type="utm" {pairs}')


def snort(**keys):
    return read_one("snort", orjson.dumps({"rule": "1:2900001:3", **keys}))


def when(alert):
    return f"{alert.time:%F %T}" if alert.time else None


@pytest.mark.parametrize(
    ("word", "severity", "is_known"),
    [
        *((str(number), "low", True) for number in range(4)),
        *((str(number), "medium", True) for number in range(4, 7)),
        *((str(number), "high", True) for number in (7, 8)),
        *((str(number), "critical", True) for number in (9, 10)),
        ("6.9", "medium", True),
        ("Low", "low", True),
        ("Medium", "medium", True),
        ("MAJOR", "high", True),
        ("Very-High", "critical", True),
        ("Very High", "critical", True),
        ("Unknown", "medium", False),
        ("11", "medium", False),
        ("-1", "medium", False),
        ("", "medium", False),
    ],
)
def test_cef_has_numbers_or_words_for_its_severity(word, severity, is_known):
    alert = cef(head=f"CEF:0|Example|Shield|4|100|Scan|{word}|")
    assert (str(alert.severity), "severity_unknown" not in alert.notes) == (severity, is_known)


def test_check_points_own_severity_counts_only_where_the_header_has_none():
    assert cef("cp_severity=Very-High", head="CEF:0|Check Point|x|1|1|n|Unknown|").severity is Severity.CRITICAL
    assert cef("cp_severity=Very-High").severity is Severity.MEDIUM
    assert "severity_unknown" in cef("cp_severity=Odd", head="CEF:0|Check Point|x|1|1|n||").notes


@pytest.mark.parametrize(
    ("extension", "expected"),
    [
        ("rt=1769860800000", "2026-01-31 12:00:00"),
        ("rt=Jan 31 2026 12:00:00.500", "2026-01-31 12:00:00"),
        ("rt=janv. 31 2026 12:00:00", "2026-01-31 12:00:00"),
        ("rt=2026-01-31T13:00:00+01:00", "2026-01-31 12:00:00"),
        ("rt=Jan 31 2026 13:00:00 dtz=CET", "2026-01-31 12:00:00"),
        ("rt=Jan 31 2026 13:00:00 CET dtz=PST", "2026-01-31 12:00:00"),
        ("rt=2026-01-31T12:00:00Z dtz=CET", "2026-01-31 12:00:00"),
        ("rt=1769860800000 dtz=CET", "2026-01-31 12:00:00"),
        ("rt=soon start=1769860800000 end=1", "2026-01-31 12:00:00"),
        ("rt=soon start=later end=1769860800", "2026-01-31 12:00:00"),
        ("rt=soon", None),
        ("", None),
    ],
)
def test_cefs_time_is_rt_then_start_then_end(extension, expected):
    assert when(cef(extension)) == expected


@pytest.mark.parametrize(
    ("syslog", "expected", "host"),
    [
        ("<134>Jan 31 12:00:00 fw-1 ", "2026-01-31 12:00:00", "fw-1"),
        ("<134>1 2026-01-31T12:00:00Z fw-1 - - - - ", "2026-01-31 12:00:00", "fw-1"),
        ("relay fw-1: ", None, None),
    ],
)
def test_the_syslog_header_stands_in_for_time_and_host(syslog, expected, host):
    for alert in (
        cef(head=f"{syslog}CEF:0|Example|Shield|4|100|Scan|5|"),
        leef(head=f"{syslog}LEEF:1.0|Example|Vault|9|Logon|"),
    ):
        assert (when(alert), alert.host) == (expected, host)
    assert cef("rt=1769860801000 dvc=192.0.2.9", head=f"{syslog}CEF:0|a|b|4|100|Scan|5|").host == "192.0.2.9"


@pytest.mark.parametrize(
    ("extension", "field", "value"),
    [
        ("dhost=d dvc=v shost=s dvchost=h", "host", "h"),
        ("dhost=d dvc=v shost=s", "host", "s"),
        ("dhost=d dvc=v", "host", "d"),
        ("dvc=v", "host", "v"),
        ("suser=- duser=root", "user", "root"),
        ("src=gateway c6a2=2001:db8::1", "source", "2001:db8::1"),
        ("sourceTranslatedAddress=192.0.2.1", "source", None),
        ("c6a3=2001:db8::2 dst=192.0.2.2", "destination", "192.0.2.2"),
        ("destinationTranslatedAddress=192.0.2.1", "destination", None),
        ("externalId=0077", "id", "0077"),
        ("reason=why", "description", "why"),
        ("reason=why msg=what", "description", "what"),
        ("cs1=https://x.example/1 cs1Label=URL", "link", None),
        ("cs4=https://x.example/1 cs4Label=Permalink", "link", "https://x.example/1"),
        ("cs1=no cs1Label=link cs6=https://x.example/2 cs6Label=Deep Link", "link", "https://x.example/2"),
        ("request=https://victim.example/", "link", None),
        ("deviceExternalId=t", "tenant", None),
    ],
)
def test_where_the_facts_of_cef_lie(extension, field, value):
    assert getattr(cef(extension), field) == value


def test_cef_without_any_standard_key_has_title_severity_and_rule():
    alert = cef("seen=['a', None] who=None", head="CEF:0|Vendor|Thing|1|rule 7|What happened|8|")
    assert (alert.title, alert.severity, alert.rule) == ("What happened", Severity.HIGH, "rule 7")
    assert alert.raw["extension"] == {"seen": "['a', None]", "who": "None"}
    assert FORMATS["cef"].case_fields(alert) == (("Vendor", "Thing", "rule 7", "", ""), False)


def test_what_a_device_did_is_no_state():
    alert = cef("act=resolved outcome=closed")
    assert (alert.state, alert.one_shot) == ("firing", True)


def test_attacker_written_text_in_cef_stays_text():
    assert cef(r"msg={{ 7*7 }} <b>$x</b> \\=").description == r"{{ 7*7 }} <b>$x</b> \="


def test_bytes_that_are_not_utf_8_are_noted():
    for name, head in (
        ("cef", b"CEF:0|a|b|c|d|n|5|msg="),
        ("leef", b"LEEF:1.0|a|b|c|d|msg="),
        ("fortigate", b"logid=1 msg="),
    ):
        assert "encoding_repaired" in read_one(name, head + b"caf\xe9").notes


@pytest.mark.parametrize(
    ("extension", "title"),
    [
        ("", "Vault Logon"),
        ("cat=auth", "Vault Logon: auth"),
        ("description=d\tcat=auth", "Vault Logon: d"),
        ("description=d\tEventMessage=e", "Vault Logon: e"),
        ("EventMessage=e\tmsg=m", "Vault Logon: m"),
    ],
)
def test_leef_has_no_name_so_product_and_event_are_the_title(extension, title):
    assert leef(extension).title == title


def test_leef_without_product_is_named_by_its_event():
    assert leef(head="LEEF:1.0|Example||9|Logon|").title == "Logon"
    assert leef(head="LEEF:1.0|Example|Vault|9||").title == "LEEF alert"


@pytest.mark.parametrize(
    ("extension", "field", "value"),
    [
        ("sev=1", "severity", Severity.LOW),
        ("sev=6", "severity", Severity.MEDIUM),
        ("sev=8", "severity", Severity.HIGH),
        ("sev=10", "severity", Severity.CRITICAL),
        ("sev=error", "severity", Severity.HIGH),
        ("sender=x\tshost=s\tidentHostName=i", "host", "i"),
        ("sender=x\tshost=s", "host", "s"),
        ("sender=x", "host", "x"),
        ("usrName=eve", "user", "eve"),
        ("domain=d\tvSrcName=v", "tenant", None),
        ("src=192.0.2.1:80", "source", "192.0.2.1"),
        ("dst=0.0.0.0", "destination", None),
    ],
)
def test_where_the_facts_of_leef_lie(extension, field, value):
    assert getattr(leef(extension), field) == value


@pytest.mark.parametrize(
    ("extension", "expected"),
    [
        ("devTime=1769860800000", "2026-01-31 12:00:00"),
        ("devTime=Jan 31 2026 12:00:00", "2026-01-31 12:00:00"),
        ("devTimeFormat=MMM dd yyyy HH:mm:ss.SSS z\tdevTime=Jan 31 2026 13:00:00.250 CET", "2026-01-31 12:00:00"),
        ("devTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ\tdevTime=2026-01-31T13:00:00.250+0100", "2026-01-31 12:00:00"),
        ("devTimeFormat=epoch\tdevTime=1769860800", "2026-01-31 12:00:00"),
        ("devTimeFormat=MMM dd yyyy\tdevTime=2026-01-31 12:00:00", "2026-01-31 12:00:00"),
        ("devTime=soon", None),
        ("", None),
    ],
)
def test_leefs_time_has_its_pattern_beside_it(extension, expected):
    assert when(leef(extension)) == expected


@pytest.mark.parametrize(
    ("pairs", "severity", "is_known"),
    [
        ('severity="critical" level="notice"', "critical", True),
        ('severity="info" level="alert"', "informational", True),
        ('crlevel="high" level="warning"', "high", True),
        ('severity="odd" crlevel="low"', "low", True),
        ('level="debug"', "informational", True),
        ('level="information"', "informational", True),
        ('level="warning"', "medium", False),
        ('level="emergency"', "medium", False),
        ("a=b", "medium", False),
    ],
)
def test_fortigates_level_only_tells_what_is_harmless(pairs, severity, is_known):
    alert = fortigate(pairs)
    assert (str(alert.severity), "severity_unknown" not in alert.notes) == (severity, is_known)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ("eventtime=1769860800", "2026-01-31 12:00:00"),
        ("eventtime=1769860800250", "2026-01-31 12:00:00"),
        ("eventtime=1769860800250000000 date=2020-01-01 time=00:00:00", "2026-01-31 12:00:00"),
        ('date=2026-01-31 time=13:00:00 tz="+0100"', "2026-01-31 12:00:00"),
        ('date="2026-01-31" time="12:00:00" eventtime=soon', "2026-01-31 12:00:00"),
        ("time=12:00:00", None),
        ("date=2026-01-31", None),
    ],
)
def test_fortigates_event_time_counts_before_date_and_time(pairs, expected):
    assert when(fortigate(pairs)) == expected


@pytest.mark.parametrize(
    ("pairs", "field", "value"),
    [
        ("msg=m logdesc=l virus=v attack=a", "title", "a"),
        ("msg=m logdesc=l virus=v", "title", "v"),
        ("msg=m logdesc=l", "title", "l"),
        ("msg=m", "title", "m"),
        ("a=b", "title", "FortiGate alert"),
        ("devid=FGT1 hostname=www.example.com", "host", "FGT1"),
        ("devid=FGT1 devname=fw-1", "host", "fw-1"),
        ("attackid=44001", "rule", "44001"),
        ("a=b", "rule", "0419016384"),
        ("remip=192.0.2.2", "source", "192.0.2.2"),
        ("srcip=host remip=192.0.2.2", "source", "192.0.2.2"),
        ("vd=root", "tenant", "root"),
        ("ref=https://vendor.example/1", "link", None),
    ],
)
def test_where_the_facts_of_fortigate_lie(pairs, field, value):
    assert getattr(fortigate(pairs), field) == value


def test_fortigates_traffic_is_no_alert_in_any_case():
    assert read_one("fortigate", "type=Traffic level=alert") == Dropped("not_an_alert")


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ({"priority": 1}, "severity", Severity.HIGH),
        ({"priority": 2}, "severity", Severity.MEDIUM),
        ({"priority": 3}, "severity", Severity.LOW),
        ({"priority": 4}, "severity", Severity.INFORMATIONAL),
        ({"priority": 255}, "severity", Severity.INFORMATIONAL),
        ({}, "title", "Snort rule 1:2900001"),
        ({"gid": 3, "sid": 7}, "title", "Snort rule 3:7"),
        ({"msg": "m"}, "title", "m"),
        ({}, "rule", "1:2900001"),
        ({"rule": "1:5"}, "rule", "1:5"),
        ({"rule": 12}, "rule", "12"),
        ({"src_ap": "192.0.2.1:80"}, "source", "192.0.2.1"),
        ({"src_ap": "2001:db8::1:80"}, "source", "2001:db8::1"),
        ({"src_ap": "192.0.2.1:80", "src_addr": "192.0.2.2"}, "source", "192.0.2.2"),
        ({"dst_ap": "192.0.2.1:0"}, "destination", "192.0.2.1"),
        ({"action": "would_drop"}, "one_shot", True),
        ({"host": "h"}, "host", None),
    ],
)
def test_where_the_facts_of_snort_lie(keys, field, value):
    assert getattr(snort(**keys), field) == value


def test_snorts_seconds_count_before_its_local_time():
    assert when(snort(timestamp="01/31-13:00:00.5", seconds=1_769_860_800)) == "2026-01-31 12:00:00"
    assert when(snort(timestamp="12/16-20:33:33.603502")) == "2025-12-16 20:33:33"


def test_an_unnamed_rule_of_snort_has_a_weak_key():
    alert = snort()
    assert FORMATS["snort"].case_fields(alert) == ((alert.content_hash,), True)
