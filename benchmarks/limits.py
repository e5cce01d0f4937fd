"""What of a rate limit is used, whether it is ever passed, and what concurrency costs; seen from the simulator.

    python benchmarks/limits.py [--seconds 5] [--json]

`share_of_limit` should be 0.97 or more and `worst_second` 1 or less: both are ratios to the limit. For concurrency,
`added_ms` is how much longer a call took than the simulator itself, beside a limit of calls that is never reached.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from itop_bridge.itop.breaker import Breaker
from itop_bridge.itop.client import Client, Connection
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.pace import Concurrency, Pacer
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator

LIMITS = (10, 50, 200)
WIDTHS = (1, 2, 4, 8)
LATENCY_S = 0.005
CALLS = 200


class Watch(Simulator):
    """Notes when each call arrived, by the monotonic clock."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: list[float] = []

    async def pause(self) -> None:
        self.arrivals.append(time.monotonic())
        await super().pause()


async def ask(gate: Gate) -> None:
    await gate.fetch("Organization", "SELECT Organization WHERE id = 1", "name")


async def measure_limit(url: str, watch: Watch, limit: int, seconds: float) -> dict[str, Any]:
    watch.arrivals.clear()
    connection = Connection(url, user="admin", password="admin")
    async with Client(connection) as client, Gate(client, Pacer(limit), Concurrency(16), Breaker()) as gate:
        await asyncio.gather(*[ask(gate) for _ in range(int(limit * seconds))])
    arrivals = sorted(watch.arrivals)
    seen = [sum(begin <= other < begin + 1.0 for other in arrivals) for begin in arrivals]
    rate = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])
    return {"share_of_limit": round(rate / limit, 4), "worst_second": round(max(seen) / limit, 4)}


async def measure_width(url: str, width: int) -> dict[str, Any]:
    latencies: list[float] = []
    connection = Connection(url, user="admin", password="admin")
    async with Client(connection) as client, Gate(client, Pacer(100_000), Concurrency(width), Breaker()) as gate:

        async def worker() -> None:
            for _ in range(CALLS // width):
                started = time.perf_counter()
                await ask(gate)
                latencies.append(time.perf_counter() - started)

        await asyncio.gather(*[worker() for _ in range(width)])
    return {"added_ms": round((statistics.median(latencies) - LATENCY_S) * 1000, 2)}


async def run(seconds: float) -> dict[str, Any]:
    watch = Watch()
    async with serve(watch) as url:
        limits = {str(limit): await measure_limit(url, watch, limit, seconds) for limit in LIMITS}
        watch.latency_s = LATENCY_S
        widths = {str(width): await measure_width(url, width) for width in WIDTHS}
    return {
        "share_of_limit": min(each["share_of_limit"] for each in limits.values()),
        "worst_second": max(each["worst_second"] for each in limits.values()),
        "limits": limits,
        "concurrency": widths,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each limit")
    parser.add_argument("--json", action="store_true", help="print one object")
    args = parser.parse_args()
    figures = asyncio.run(run(args.seconds))
    if args.json:
        print(json.dumps(figures))
        return
    for limit, each in figures["limits"].items():
        print(f"limit {limit:>4}/s: share_of_limit {each['share_of_limit']}, worst_second {each['worst_second']}")
    for width, each in figures["concurrency"].items():
        print(f"concurrency {width}: added_ms {each['added_ms']}")


if __name__ == "__main__":
    main()
