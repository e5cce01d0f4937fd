"""The service's unit files, read as systemd does."""

import re
from collections import defaultdict
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "systemd"
UNIT = FOLDER / "itop-bridge.service"
TEMPLATE = FOLDER / "itop-bridge@.service"


def read_unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """Sections of directives with all their values: a directive may stand more than once, as configparser forbids."""
    unit: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = match[1]
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            unit[section][name].append(value)
    return unit
