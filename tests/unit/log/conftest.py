"""The log of a test: set up, read back, and put away."""

import io
import json
import logging

import pytest
import structlog

from itop_bridge.log import chain, configure_log, value


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    monkeypatch.setattr(value, "_hidden", set())
    root, ours = logging.getLogger(), logging.getLogger("itop_bridge")
    levels = root.level, ours.level
    yield
    chain._replace_handlers([])
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


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
