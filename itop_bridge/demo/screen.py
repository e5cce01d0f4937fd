"""Where the demo tells what it does: a line that changes on a terminal, a line a second anywhere else."""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from itop_bridge.demo.table import fit
from itop_bridge.log import escape_text

_WIPE = "\r\x1b[2K"
_PLAIN_EVERY_S = 1.0
_PLAIN_WIDTH = 120


class Screen:
    """Writes to a stream. Colours only on a terminal, and not where `NO_COLOR` is set."""

    def __init__(
        self,
        stream: TextIO,
        *,
        colour: bool = True,
        environment: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._live = stream.isatty() and environment.get("TERM") != "dumb"
        self._colour = colour and self._live and not environment.get("NO_COLOR")
        self._monotonic = monotonic
        self._next_at = 0.0
        self._open = False

    @property
    def width(self) -> int:
        """How many marks a line has."""
        return shutil.get_terminal_size((_PLAIN_WIDTH, 24)).columns if self._live else _PLAIN_WIDTH

    def paint(self, code: str) -> Callable[[str], str]:
        """A function that gives a text the colour of an SGR code."""
        return (lambda text: f"\x1b[{code}m{text}\x1b[0m") if self._colour else (lambda text: text)

    def tell(self, line: str = "", code: str = "") -> None:
        """Write a line in the place of the progress, which goes on below."""
        self._finish()
        text = escape_text(line)
        self.tell_rendered(self.paint(code)(text) if code else text)

    def tell_rendered(self, line: str) -> None:
        """Write a line as it is: painted, and safe."""
        self._finish()
        self._stream.write(line + "\n")
        self._stream.flush()

    def show(self, progress: str) -> None:
        """Show how far it is: in place on a terminal, else at most once a second."""
        text = escape_text(progress)
        if self._live:
            self._stream.write(_WIPE + fit(text, self.width - 1).rstrip())
            self._stream.flush()
            self._open = True
        elif self._monotonic() >= self._next_at:
            self._next_at = self._monotonic() + _PLAIN_EVERY_S
            self.tell(progress)

    def _finish(self) -> None:
        if self._open:
            self._stream.write(_WIPE)
            self._open = False
