"""`itop-bridge demo`: the bridge at work on this machine, and the proof that nothing was lost."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from io import TextIOWrapper
from pathlib import Path

from itop_bridge.daemon import Signals
from itop_bridge.demo.demo import run_demo
from itop_bridge.demo.screen import Screen
from itop_bridge.log import configure_log

_INTERRUPTED = 130


def run(args: argparse.Namespace) -> int:
    """0 if all is well, 1 if not, 130 if interrupted. Raises BridgeError if it gets stuck.

    The files of a demo that did not go well stay, and it says where.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 is no reason to fail
    screen = Screen(sys.stdout, colour=not args.no_color)
    folder = Path(tempfile.mkdtemp(prefix="itop-bridge-demo-"))
    well: bool | None = False
    try:
        with (folder / "itop-bridge.log").open("w", encoding="utf-8") as log:
            configure_log("info", layout="json", stream=log)
            well = asyncio.run(_run(folder, screen, args))
    finally:
        if well is False:
            screen.tell(f"The configuration, the journal and the log of the daemon are in {folder}")
        else:
            shutil.rmtree(folder)
    return _INTERRUPTED if well is None else int(not well)


async def _run(folder: Path, screen: Screen, args: argparse.Namespace) -> bool | None:
    stop = asyncio.Event()
    Signals(stop).listen()
    return await run_demo(folder, args.alerts, screen, stop, keep=args.keep, iclass=args.iclass)
