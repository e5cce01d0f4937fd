from itop_bridge.simulator.page import render_page


async def test_every_text_of_a_ticket_is_escaped(simulator, client):
    hostile = "<i>\"'&"
    await client.create(title=hostile, private_log={"add_item": {"message": hostile, "format": "text"}})
    simulator.person("Alice Agent").resolve(1, "&lt;i&gt;")
    page = render_page(simulator.objects("Ticket"))
    assert "<i>" not in page
    assert page.count("&lt;i&gt;&quot;&#x27;&amp;") == 2
    assert '<article class="resolved" id="1">' in page


async def test_html_reads_as_text_and_what_is_hidden_is_shown(simulator, client):
    await client.create(title="annex\u202egnp.exe\x00", description="<p>a &amp; b</p><ul><li>one</li></ul>")
    page = render_page(simulator.objects("Ticket"))
    assert "annex\\u202egnp.exe\\u0000" in page
    assert "<pre>a &amp; b\n\n- one</pre>" in page


async def test_a_page_of_many_tickets_shows_the_newest_and_counts_all(simulator, client):
    await client.create()
    (ticket,) = simulator.objects("Ticket")
    page = render_page([{**ticket, "id": number, "title": f"t{number}"} for number in range(1, 302)])
    assert "301 tickets: 301 ongoing; the newest 200 are shown" in page
    assert page.count("<article") == 200
    assert "· t301<" in page
    assert "· t101<" not in page


async def test_cells_are_apart(simulator, client):
    await client.create(description="<table><tr><td>Severity</td><td>high</td></tr></table>")
    assert "<pre>Severity high</pre>" in render_page(simulator.objects("Ticket"))


async def test_what_is_attached_is_named_and_escaped(simulator, client):
    await client.create()
    attached = {"item_id": 1, "contents": {"filename": "<alert>.json"}}
    page = render_page(simulator.objects("Ticket"), [attached, {**attached, "item_id": 2}])
    assert "<h3>attachments</h3><pre>&lt;alert&gt;.json</pre>" in page
