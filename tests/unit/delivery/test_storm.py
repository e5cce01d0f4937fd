from situation import backlog, fires

from itop_bridge.delivery.storm import describe_lead, describe_storm
from itop_bridge.journal.storm import StormCount
from itop_bridge.settings.policy import Storm


def test_the_lead_names_the_rule_and_no_alert():
    lead = describe_lead("wazuh", Storm(50, 300.0), backlog(fires(1, severity="critical")))
    assert lead["title"] == "Alert storm: more than 50 new cases in 5m of route wazuh"
    assert lead["severity"] == "critical"
    assert lead["host"] is None


def test_a_rule_that_left_the_configuration_is_not_named():
    assert "many new cases of route wazuh" in describe_lead("wazuh", None, backlog(fires(1)))["title"]


def test_an_entry_begins_with_the_figures():
    text = describe_storm("wazuh", StormCount(312, (("Scan", 200), ("Brute force", 30))))
    assert "312 further new cases so far" in text
    assert text.endswith("\nMost often: Scan (200), Brute force (30).")


def test_titles_are_one_line_and_cut():
    text = describe_storm("wazuh", StormCount(1, (("a\nb " + "x" * 500, 1),)))
    assert len(text.splitlines()) == 2
    assert len(text) < 300
