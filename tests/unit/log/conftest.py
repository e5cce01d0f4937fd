"""The log of a test, read back."""

import io
import json

import pytest

from itop_bridge.log import configure_log


@pytest.fixture(autouse=True)
def _lenient(monkeypatch):
    """The chain is tested with events and fields of its tests' own."""
    monkeypatch.setitem(configure_log.__kwdefaults__, "strict", False)


@pytest.fixture
def lines():
    """The JSON lines that were logged so far, decoded."""
    stream = io.StringIO()
    configure_log("info", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    return Terminal()
