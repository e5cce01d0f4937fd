from itop_bridge.simulator.caselog import CaseLog, Entry


def entry(text, kind="text"):
    return Entry("2026-11-24 04:03:57", "Rest Daemon", "2", text, kind)


def test_a_text_entry_is_verbatim_and_escaped_in_its_html():
    shown = entry("a<b & \"q\" 'x'\r\nc\n").render()
    assert shown["message"] == "a<b & \"q\" 'x'\r\nc\n"
    assert shown["message_html"] == "a&lt;b &amp; &quot;q&quot; &#039;x&#039;<br/>c<br/>"


def test_an_entry_of_an_unknown_format_has_no_html():
    assert entry("x <i>", "markdown").render() == {
        "date": "2026-11-24 04:03:57",
        "user_login": "Rest Daemon",
        "user_id": "2",
        "message": "x <i>",
        "message_html": None,
    }


def test_the_column_holds_the_newest_entry_first_under_its_author():
    line = "\n========== 2026-11-24 04:03:57 : Rest Daemon (2) ============\n\n"
    assert CaseLog((entry("old"), entry("new"))).column == f"{line}new{line}old"
