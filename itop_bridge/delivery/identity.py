"""Is the incident with a case's number the case's? A number is given out again where iTop was restored from a dump.

| what iTop shows under the number      | it is                                          |
|---------------------------------------|------------------------------------------------|
| another reference than the case knows | another's                                      |
| the case's key in the title           | the case's                                     |
| another case's key in the title       | another's                                      |
| a title without a key                 | the case's, if the bridge ever wrote in its log |

(People rename incidents, and a restored iTop counts its references anew: neither is enough by itself.)
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import structlog

from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.reading import Reader
from itop_bridge.intent import Writing
from itop_bridge.journal.case import CaseState

log = structlog.get_logger(__name__)

_DIGEST = "[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A case, and what iTop shows under the number of its incident, now or before."""

    case: CaseState
    writing: Writing
    incident: Incident


def decide_identity(claim: Claim) -> Literal["own", "foreign", "unclear"]:
    """Whether the incident is the case's; `unclear` where its log has to be asked."""
    case, incident = claim.case, claim.incident
    if incident.id == case.incident and case.ref and incident.ref != case.ref:
        return "foreign"
    if case.digest in incident.title:
        return "own"
    head = re.escape(claim.writing.title_prefix).replace(re.escape("{digest}"), _DIGEST)
    return "foreign" if re.search(head, incident.title) else "unclear"


class Identities:
    """Tells the incidents that are not their case's."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def find_foreign(self, claims: Iterable[Claim]) -> set[tuple[int, int]]:
        """The cases, each with the number that is another's. Raises ITopError."""
        decided = [(claim, decide_identity(claim)) for claim in claims]
        foreign = [claim for claim, identity in decided if identity == "foreign"]
        foreign += await self._find_unmarked(claim for claim, identity in decided if identity == "unclear")
        for claim in foreign:
            log.warning("incident.foreign", case=claim.case.digest, incident=claim.case.ref, found=claim.incident.ref)
        return {(claim.case.id, claim.incident.id) for claim in foreign}

    async def _find_unmarked(self, claims: Iterable[Claim]) -> list[Claim]:
        groups: dict[tuple[str, str], list[Claim]] = defaultdict(list)
        for claim in claims:
            groups[claim.writing.iclass, claim.writing.log].append(claim)
        unmarked: list[Claim] = []
        for (iclass, name), group in groups.items():
            marked = await self._reader.find_marked(iclass, name, (claim.incident.id for claim in group))
            unmarked += [claim for claim in group if claim.incident.id not in marked]
        return unmarked
