"""The releases of iTop that the simulator can play, and how they differ from 3.2.

What differs in classes and attributes is in `datamodel-2.7.json` and `datamodel-3.1.json`; this is the rest.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """How one release behaves. The defaults are 3.2's."""

    version: str = "3.2"
    doubles_ampersands: bool = False
    """Whether an HTML field is returned with each `&` as `&amp;`; what is stored is right all the same."""
    breaks_escalated_assign: bool = True
    """Whether ev_assign on an Incident in escalated_tto is a PHP error (transcript 385)."""
    counts_bytes: bool = False
    """Whether the most that a text may have is bytes, not characters, so that the database never sees too much."""
    names_labels: bool = True
    """Whether the refusal of a value names the attribute's label, and the id -1 of an object not made."""
    names_entities: bool = False
    """Whether a log entry's `message_html` has named entities: `&eacute;` for é."""
    takes_files: bool = True
    """Whether json_data may come as an uploaded file (transcript 045)."""
    nests_maintenance: bool = True
    """Whether the answer in maintenance is in `data[0]`, not at the top (transcripts 418-421)."""
    misses_keys: bool = False
    """Whether a key of 0 is missing for a transition that wants it. PHP 7 very likely (a comparison with ''), PHP 8
    does not; only PHP 8 was recorded (transcripts 295, 313)."""


RELEASES = {
    "2.7": Release(
        version="2.7",
        doubles_ampersands=True,
        breaks_escalated_assign=False,
        counts_bytes=True,
        names_labels=False,
        names_entities=True,
        takes_files=False,
        nests_maintenance=False,
    ),
    "3.1": Release(version="3.1", doubles_ampersands=True, breaks_escalated_assign=False),
    "3.2": Release(),
}
