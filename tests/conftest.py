"""For every test: properties are not timed, since machines are slow and noisy at times; its log is strict."""

import logging

import pytest
import structlog
from hypothesis import HealthCheck, settings

from itop_bridge.log import chain, configure_log, value

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _restored_log(monkeypatch):
    monkeypatch.setattr(value, "_hidden", set())
    root, ours = logging.getLogger(), logging.getLogger("itop_bridge")
    levels = root.level, ours.level
    monkeypatch.setitem(configure_log.__kwdefaults__, "strict", True)
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, chain.refuse_breach, _put_away])
    yield
    chain._replace_handlers([])
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _put_away(_logger, _method, _event):
    raise structlog.DropEvent
