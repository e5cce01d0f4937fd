"""The status in one line, for `systemctl status`."""

from itop_bridge.console.console import Status


def describe_headline(status: Status) -> str:
    """`ready; 1,204 messages received, 3 waiting, 0 dead letters; iTop reachable`. Pure.

    Received since the start. What waits are messages that are not mapped yet, and intents that are not in iTop.
    """
    backlog = status.journal
    counts = [
        f"{status.broker['received']:,} messages received",
        f"{backlog['waiting'] + backlog['pending']:,} waiting",
        f"{backlog['dead_letters']:,} dead letters",
    ]
    return "; ".join([_describe_readiness(status), ", ".join(counts), _describe_itop(status)])


def _describe_readiness(status: Status) -> str:
    if not status.ready and not status.alarms:
        return _describe_beginning(status)
    word = "ready" if status.ready else "degraded"
    return f"{word} ({', '.join(status.alarms)})" if status.alarms else word


def _describe_beginning(status: Status) -> str:
    """Nothing is wrong; at a start something is not there yet."""
    if not status.broker["connected"]:
        return "connecting to the broker"
    return "degraded" if status.broker["ready"] else "subscribing"


def _describe_itop(status: Status) -> str:
    if status.itop["reachable"]:
        return "iTop reachable"
    return f"iTop unreachable: {status.itop['reason']}"
