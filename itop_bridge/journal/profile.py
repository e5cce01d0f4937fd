"""What the incidents of a case are written with: a route's settings as they were when the case last got an alert."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from itop_bridge.intent import Cmdb, Texts, Writing
from itop_bridge.settings.policy import Attach, Flapping, Policy, Storm


@dataclass(frozen=True)
class Profile:
    """A route's settings for delivery; stored as JSON under their hash."""

    route: str
    factory: str
    policy: Policy
    writing: Writing
    settings: tuple[tuple[str, Any], ...] = ()
    """The factory's settings, for the texts."""

    @cached_property
    def body(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True, default=str, ensure_ascii=False)

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(self.body.encode()).hexdigest()[:16]


def parse_profile(body: str) -> Profile:
    """The profile that `Profile.body` describes. Fields of another version are left out."""
    values = json.loads(body)
    writing = values["writing"]
    writing["texts"] = Texts(**_known(Texts, writing["texts"]))
    writing["references"] = tuple(tuple(entry) for entry in writing["references"])
    writing["fields"] = tuple(tuple(entry) for entry in writing["fields"])
    writing["cmdb"] = _parse_cmdb(writing["cmdb"]) if writing.get("cmdb") else None
    return Profile(
        route=values["route"],
        factory=values["factory"],
        policy=_parse_policy(_known(Policy, values["policy"])),
        writing=Writing(**_known(Writing, writing)),
        settings=tuple((name, value) for name, value in values["settings"]),
    )


def _parse_cmdb(values: dict[str, Any]) -> Cmdb:
    lists = {
        "classes": tuple(values["classes"]),
        "match": tuple(tuple(pair) for pair in values["match"]),
        "where": tuple(tuple(pair) for pair in values["where"]),
    }
    return Cmdb(**{**_known(Cmdb, values), **lists})


def _parse_policy(values: dict[str, Any]) -> Policy:
    flapping = Flapping(**_known(Flapping, values["flapping"])) if values.get("flapping") else None
    storm = Storm(**_known(Storm, values["storm"])) if values.get("storm") else None
    attach = Attach(**_known(Attach, values["attach"])) if values.get("attach") else None
    path = tuple(values.get("resolve_path", ()))
    return Policy(**{**values, "resolve_path": path, "flapping": flapping, "storm": storm, "attach": attach})


def _known(of: type, values: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(of)}
    return {name: value for name, value in values.items() if name in names}
