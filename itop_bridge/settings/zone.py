"""Time zones, by their names in the IANA database."""

import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, Strict

from itop_bridge.spelling import suggest


def check_zone(name: str) -> str:
    """The name, if there is such a zone. Raises ValueError."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: the name of a folder
        hint = suggest(name, zoneinfo.available_timezones(), "; use a name such as Europe/Paris or UTC")
        raise ValueError(f"is no time zone of the IANA database{hint}") from error
    return name


Zone = Annotated[str, Strict(), AfterValidator(check_zone)]
