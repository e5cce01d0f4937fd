"""`itop-bridge simulate`: a stand-in for iTop's REST API."""

import argparse
import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from itop_bridge.errors import BridgeError
from itop_bridge.simulator.chaos import Chaos
from itop_bridge.simulator.crowd import Crowd
from itop_bridge.simulator.fault import Fault
from itop_bridge.simulator.seed import load_seed
from itop_bridge.simulator.server import Record, serve
from itop_bridge.simulator.simulator import Simulator

_PEOPLE_PAUSE_S = 3.0
_CHAOS_PAUSE_S = 10.0
_DELAY_S = 5.0
"""How long a fault that delays does so, where only its kind is given."""


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted. Raises ConfigurationError for a data model or a seed that is wrong."""
    simulator = make_simulator(args)
    try:
        with _open_record(args.record) as record:
            asyncio.run(_serve(simulator, args, record))
    except OSError as error:
        raise BridgeError(
            f"cannot listen on {args.host}:{args.port}: {error.strerror}; choose another --port"
        ) from error
    return 0


def make_simulator(args: argparse.Namespace) -> Simulator:
    """The simulator that the options describe."""
    simulator = Simulator(
        version=args.itop_version,
        install=args.install,
        datamodel=args.datamodel,
        php=args.php,
        sample=not args.no_sample,
    )
    simulator.set_latency(args.latency, args.latency_p95)
    if args.seed:
        load_seed(simulator, args.seed)
    for fault in args.fault:
        simulator.faults.add(fault)
    return simulator


def parse_fault(text: str) -> Fault:
    """`KIND[:operation][:times]`, as `http_503:create:3`; else every operation, and for ever. Raises ValueError."""
    kind, *rest = text.split(":")
    times = int(rest.pop()) if rest and rest[-1].isdecimal() else None
    operation = rest.pop(0) if rest else None
    if rest or operation == "" or times == 0:
        raise ValueError(f"{text!r} is not KIND[:operation][:times]")
    if operation and operation != "list_operations":
        operation = f"core/{operation.removeprefix('core/')}"
    return Fault(kind, times=times, operation=operation, seconds=_DELAY_S)


@contextlib.contextmanager
def _open_record(path: Path | None) -> Iterator[Record | None]:
    """A function that writes each exchange to the file, one JSON object a line."""
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        raise BridgeError(f"cannot write {path}: {error.strerror}") from error
    with file:

        def record(exchange: Mapping[str, Any]) -> None:
            file.write(json.dumps(exchange) + "\n")

        yield record


async def _serve(simulator: Simulator, args: argparse.Namespace, record: Record | None) -> None:
    async with serve(simulator, args.host, args.port, record) as url, asyncio.TaskGroup() as tasks:
        _tell(
            f"iTop's stand-in ({args.itop_version}, {args.install}) listens on {url} "
            f"(REST: {url}/webservices/rest.php, login admin / admin).\n"
            f"A page of its incidents: {url}/ — faults end with: curl -X DELETE {url}/simulator/faults — "
            "stop with Ctrl-C."
        )
        if args.people is not None:
            crowd = Crowd(simulator, Random(args.people))  # noqa: S311 - the same acts each time
            tasks.create_task(crowd.work(_PEOPLE_PAUSE_S, _tell), name="people")
        if args.chaos is not None:
            chaos = Chaos(simulator, Random(args.chaos))  # noqa: S311 - the same faults each time
            tasks.create_task(chaos.rage(_CHAOS_PAUSE_S, _tell), name="chaos")
        await asyncio.Event().wait()


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what the command is for
