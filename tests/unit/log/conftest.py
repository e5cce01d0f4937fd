"""The log of a test, read back."""

import io
import json

import pytest

from itop_bridge.log import configure_log


@pytest.fixture
def lines():
    """The JSON lines that were logged so far, decoded."""
    stream = io.StringIO()
    configure_log("info", stream=stream, strict=True)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    return Terminal()
