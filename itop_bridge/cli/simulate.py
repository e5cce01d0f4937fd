"""`itop-bridge simulate`: a stand-in for iTop's REST API."""

import argparse
import asyncio

from itop_bridge.errors import BridgeError
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    simulator = Simulator(sample=not args.no_sample)
    simulator.latency_s = args.latency
    try:
        asyncio.run(_serve(simulator, args.host, args.port))
    except OSError as error:
        raise BridgeError(
            f"cannot listen on {args.host}:{args.port}: {error.strerror}; choose another --port"
        ) from error
    return 0


async def _serve(simulator: Simulator, host: str, port: int) -> None:
    async with serve(simulator, host, port) as url:
        print(  # noqa: T201 - what the command is for
            f"iTop's stand-in listens on {url} (REST: {url}/webservices/rest.php, login admin / admin).\n"
            f"A page of its incidents: {url}/ — stop with Ctrl-C.",
            flush=True,
        )
        await asyncio.Event().wait()
