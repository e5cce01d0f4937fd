import importlib.util, pathlib
spec = importlib.util.spec_from_file_location("tr", pathlib.Path(__file__).with_name("test_results.py"))
tr = importlib.util.module_from_spec(spec); spec.loader.exec_module(tr)
site = tr.site
import asyncio
import pytest
from structlog.testing import capture_logs
pytestmark = pytest.mark.mosquitto

@pytest.mark.parametrize("topic", ["answers/" + "/"*300, "answers/" + "x"*60000, "answers/\ufffe", "answers/\ufdd0", "answers/\U0001ffff"], ids=["levels", "long", "fffe","fdd0", "1ffff"])
async def test_poison(site, monkeypatch, topic):
    monkeypatch.setattr(tr.publisher, "RETRY_S", 0.1)
    with capture_logs() as logs:
        async with site.running() as daemon, tr.listening(site.mosquitto.port) as listener:
            try:
                await site.ask("siem/quiet", tr.alert(), topic)
            except Exception as e: print("ASK", e)
            await asyncio.sleep(1)
            await site.publish("siem/told", tr.alert())
            await asyncio.sleep(3)
            print("CONN", daemon.stages.intake.state.connections, await daemon.stages.outward.results.count_waiting(), len(listener.results()), len(listener.messages))
    for l in logs:
        if l["log_level"] not in("info", "debug"): print(str(l)[:250])
    print((site.mosquitto.folder/"mosquitto.log").read_text()[-500:])
    assert False
