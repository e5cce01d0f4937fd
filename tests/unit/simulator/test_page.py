from itop_bridge.simulator.page import render_page


async def test_every_text_of_a_ticket_is_escaped(simulator, client):
    hostile = "<i>\"'&"
    await client.create(title=hostile, private_log={"add_item": {"message": hostile, "format": "text"}})
    simulator.person("Alice Agent").resolve(1, "&lt;i&gt;")
    page = render_page(simulator.objects("Ticket"))
    assert "<i>" not in page
    assert page.count("&lt;i&gt;&quot;&#x27;&amp;") == 2
    assert '<article class="resolved">' in page
