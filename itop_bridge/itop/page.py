"""iTop's pages, for people: where they see what the bridge wrote."""

from urllib.parse import urlencode


def link_object(address: str, iclass: str | None, key: int | None) -> str | None:
    """The page of an object at the iTop of an address (without a slash at its end); None if there is no such object.

    A shadow's incident, whose number is below 0, has none.
    """
    if not iclass or key is None or key <= 0:
        return None
    return f"{address}/pages/UI.php?{urlencode({'operation': 'details', 'class': iclass, 'id': key})}"
