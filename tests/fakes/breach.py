"""Lines of the log, held to the catalogue."""

from itop_bridge.log import find_breach

HEAD = ("timestamp", "level", "event")


def find_breaches(lines):
    """What is wrong with decoded JSON lines, each once."""
    return sorted({breach for line in lines if "event" in line and (breach := _find_breach(line))})


def _find_breach(line):
    facts = {key: value for key, value in line.items() if key not in HEAD}
    return find_breach(line["event"], line["level"], facts)
