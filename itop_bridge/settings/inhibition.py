"""Inhibition: while some alerts fire, others that they explain open nothing."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from itop_bridge.settings.matching import Matching
from itop_bridge.settings.section import Lines, Section
from itop_bridge.settings.unit import Duration


class Inhibition(Section):
    """While a source fires, targets of its organisation that agree with it in `equal` are dropped as `inhibited`."""

    source: Matching
    """The alerts that hold others back."""
    target: Matching
    """The alerts that are held back."""
    equal: tuple[Lines, ...] = ()
    """What both must agree in, as in group_by; what is absent is equal to nothing."""
    hold: Annotated[Annotated[float, Duration(least="1s")] | None, Field(alias="for")] = None
    """How long a source without states inhibits; without it, only alerts with states do."""

    @model_validator(mode="after")
    def _is_meant(self) -> Self:
        for name, side in (("source", self.source), ("target", self.target)):
            if not side.matchers and not side.when:
                raise ValueError(f"{name} must have matchers or when")
        return self
