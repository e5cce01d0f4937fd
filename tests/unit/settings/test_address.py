import pytest

from itop_bridge.settings.address import Listen, parse_listen, parse_url


@pytest.mark.parametrize(
    ("value", "listen"),
    [
        ("127.0.0.1:8765", Listen("127.0.0.1", 8765)),
        ("[::1]:80", Listen("::1", 80)),
        ("localhost:0", Listen("localhost", 0)),
        ("off", None),
        (False, None),
    ],
)
def test_a_server_listens_at_a_host_and_port_or_is_off(value, listen):
    assert parse_listen(value) == listen


@pytest.mark.parametrize("value", [True, "", "8765", 8765, ":80", "::1:80", "a:65536", "a:x", "a:-1", "a:٣", [], {}])
def test_another_address_is_refused(value):
    with pytest.raises(ValueError, match="must be host:port"):
        parse_listen(value)


def test_an_address_is_written_as_it_is_read():
    assert [str(parse_listen(text)) for text in ("127.0.0.1:1", "[::1]:2")] == ["127.0.0.1:1", "[::1]:2"]


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("host", False)]
)
def test_loopback_is_told(host, loopback):
    assert Listen(host, 1).is_loopback is loopback


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://itop.example", "https://itop.example"),
        ("https://itop.example/", "https://itop.example"),
        ("http://localhost:8080/itop/", "http://localhost:8080/itop"),
        ("https://[::1]:8443/a", "https://[::1]:8443/a"),
    ],
)
def test_an_url_ends_without_a_slash(text, url):
    assert parse_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "itop.example",
        "ftp://itop.example",
        "https://",
        "https://user:hunter2@itop.example",
        "https://hunter2@itop.example",
        "https://itop.example/?auth_pwd=hunter2",
        "https://itop.example/#x",
        "https://itop.example/webservices/rest.php",
        "https://itop.example:x/",
        "https://itop.example:99999/",
        "https://itop.example:0/",
        "https://[::1/",
        "https://itop.example/a b",
        "https://itop.example/\n",
    ],
)
def test_what_is_no_address_of_itop_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError) as caught:
        parse_url(text)
    assert "hunter2" not in str(caught.value)
