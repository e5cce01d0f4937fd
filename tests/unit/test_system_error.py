import socket

import pytest

from itop_bridge.system_error import explain_error

REFUSED = "[Errno 111] Connect call failed ('{}', 1883)"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(111, "Connect call failed ('127.0.0.1', 18443)"), "Connection refused"),
        (OSError(111, "Connection refused"), "Connection refused"),
        (OSError(f"Multiple exceptions: {REFUSED.format('::1')}, {REFUSED.format('127.0.0.1')}"), "Connection refused"),
        (
            OSError(f"Multiple exceptions: {REFUSED.format('::1')}, [Errno 113] Connect call failed ('10.0.0.1', 1)"),
            "Connection refused, No route to host",
        ),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError("something else"), "something else"),
    ],
)
def test_a_person_reads_why_and_not_where(error, told):
    assert explain_error(error) == told
