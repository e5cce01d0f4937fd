"""The simulator served from a thread of its own: for what blocks, and for programs that run as processes."""

import asyncio
import contextlib
import json
import threading

from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator


@contextlib.contextmanager
def serve_itop(**options):
    """Yields (simulator, url). Touch the simulator only while no call is under way."""
    simulator = Simulator(**options)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serving = serve(simulator)
    try:
        url = asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result()
        try:
            yield simulator, url
        finally:
            asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def write_legacy(folder, url, user="admin", password=None):
    """The older tool's configuration file."""
    path = folder / "itop.json"
    data = {"address": url, "version": "1.3", "user": user, "password": user if password is None else password}
    path.write_text(json.dumps(data))
    return path
