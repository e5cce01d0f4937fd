"""Own incidents: what the bridge cannot do by itself opens incidents of its own team, one per reason and day."""

from typing import Annotated

from pydantic import Strict

from itop_bridge.settings.route import PolicyKeys, Route
from itop_bridge.settings.section import Slug
from itop_bridge.settings.topic import OWN_TOPICS

OWN_ROUTE = "own-incidents"
"""What the route of these incidents is called: in the log, and for `pause`."""
LETTERS = f"{OWN_TOPICS}letters/"
"""What the topics of the events that tell of dead letters begin with."""


class OwnIncidents(PolicyKeys):
    """Incidents of the bridge's own team. What the section does not say, `defaults` say."""

    dead_letters: Annotated[bool, Strict()] = True
    """Whether dead letters open one per reason and day (UTC), resolved when all of these are retried or dropped."""
    sources: Annotated[bool, Strict()] = True
    """Whether the silences of all routes with `expect_every` open one per day, whatever `silence_incident` says."""
    factory: Slug = "incident-siem"
    """What makes the incidents."""

    def as_route(self) -> Route:
        """The section as a route, of topics that no publisher can use, and with a scope that no other route has."""
        policy = {name: getattr(self, name) for name in PolicyKeys.model_fields}
        own = {
            "name": OWN_ROUTE,
            "topic": f"{LETTERS}{{reason}}/{{day}}",
            "format": "generic",
            "factory": self.factory,
            "group_by": ("topic.reason", "topic.day"),
            "case_scope": "own/letters",
            "storm": None,
            "attach": None,
        }
        return Route.model_construct(**{**policy, **own})
