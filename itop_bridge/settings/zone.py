"""Time zones, by their names in the IANA database."""

import difflib
import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, Strict


def check_zone(name: str) -> str:
    """The name, if there is such a zone. Raises ValueError."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: the name of a folder
        near = difflib.get_close_matches(name, zoneinfo.available_timezones(), 1)
        hint = f"did you mean {near[0]}?" if near else "use a name such as Europe/Paris or UTC"
        raise ValueError(f"is no time zone of the IANA database; {hint}") from error
    return name


Zone = Annotated[str, Strict(), AfterValidator(check_zone)]
