import pytest

from itop_bridge.simulator.markup import render_text, sanitize, sanitize_entry


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("a\nb", "<p>a\nb</p>"),
        ("from <SRC_IP> to <user@example.com> end", "<p>from </p>"),
        ("a <foo>b</foo> c", "<p>a  c</p>"),
        ("1<2 & 3", "<p>1&lt;2 &amp; 3</p>"),
        ("<b>s</b>\nline", "<b>s</b>\nline"),
        ("lead <p>para</p> tail", "<p>lead </p><p>para</p> tail"),
        ("<p onclick=x>a<br>b", "<p>a<br>b</p>"),
        ('<a href="javascript:x">j</a>', "<a>j</a>"),
        ("<img src=x onerror=alert(1)>", "<img>"),
        ('<td style="color:red;position:absolute">c</td>', '<td style="color:red">c</td>'),
        ("<ul><li>1<li>2</ul>", "<ul><li>1</li><li>2</li></ul>"),
        ("<table><tr><td>1<td>2<tr><td>3</table>", "<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>"),
        ("x &unknown; &lt &lt;", "<p>x &amp;unknown; &amp;lt &lt;</p>"),
        ("a\0b\x07c", "<p>a bc</p>"),
        ("", ""),
    ],
)
def test_html_is_stored_as_itop_stores_it(given, stored):
    assert sanitize(given) == stored


@pytest.mark.parametrize("nothing", ["   ", "<script>x</script>"])
def test_a_field_with_nothing_left_holds_a_doctype_and_an_entry_nothing(nothing):
    assert sanitize(nothing).startswith("<!DOCTYPE html")
    assert sanitize_entry(nothing) == ""


@pytest.mark.parametrize("hostile", ["<b " * 5_000, "<div>" * 5_000, '<a href="' * 5_000, "</p>" * 5_000])
def test_markup_without_end_is_survived(hostile):
    assert len(sanitize(hostile)) < len(hostile)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ('<p>l1<br>l2</p><ul><li>i</li></ul><a href="https://e.com">x</a>', "l1\nl2\n\n- i\n[x](https://e.com)"),
        ("<p>a\nb <b>c</b></p>", "a b c"),
        ('<pre>{"a":\n  1}</pre>', '{"a":\n  1}'),
        ("<p>&lt;SRC_IP&gt;</p>", "<SRC_IP>"),
    ],
)
def test_an_entry_reads_as_text(markup, text):
    assert render_text(markup) == text
