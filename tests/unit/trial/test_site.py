import pytest

from itop_bridge.errors import ConfigurationError, UsageError
from itop_bridge.trial.site import find_format


def test_a_format_is_found_by_its_name_or_all_for_auto():
    assert find_format("wazuh").name == "wazuh"
    assert find_format("auto").name == "auto"


def test_an_unknown_format_is_told_with_what_was_meant():
    with pytest.raises(UsageError, match=r"no bundled format 'wazu'; did you mean wazuh\?"):
        find_format("wazu")


def test_a_site_is_loaded_without_its_secrets_and_certificates(site_of):
    site = site_of()  # whose files are not there
    assert [route.name for route in site.routes] == ["severe", "minor", "wazuh"]
    assert site.conditions == {"severe": "alert.severity >= 'high'", "minor": "alert.severity >= 'medium'"}


def test_with_a_format_only_the_routes_that_read_it_are_asked(site_of):
    assert [route.name for route in site_of(format_name="wazuh").routes] == ["wazuh"]
    with pytest.raises(UsageError, match=r"no route of .* reads the format 'generik'; did you mean generic\?"):
        site_of(format_name="generik")


def test_the_route_of_own_incidents_is_none_that_alerts_come_by(site_of):
    wazuh = "  - {name: wazuh, topic: a, format: wazuh, factory: incident-siem, organization: EXC}\n"
    assert [route.name for route in site_of(f"{wazuh}own_incidents: {{organization: EXC}}\n").routes] == ["wazuh"]


def test_a_configuration_that_is_wrong_is_told(site_of):
    with pytest.raises(ConfigurationError, match="no format 'wazu'"):
        site_of('  - {name: w, topic: "a/{org}", format: wazu, factory: incident-siem}\n')


def test_the_texts_of_a_route_are_compiled_once(site_of):
    site = site_of()
    hashed = site.routes[1].profile.hash
    assert site.style_of(hashed).profile.route == "minor"
    assert site.style_of(hashed) is site.style_of(hashed)
