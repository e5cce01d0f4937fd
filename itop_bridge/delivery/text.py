"""What is written in iTop: the factory's templates, rendered once per call, cut to what iTop stores."""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from itop_bridge.delivery.asset import Asset
from itop_bridge.delivery.fold import Backlog, find_news
from itop_bridge.expression import compile_text
from itop_bridge.intent import Writing
from itop_bridge.journal.case import CaseState

TITLE_BYTES = 255
"""iTop 3.x counts characters, 2.7 bytes: bytes fit all (transcripts 091-093)."""
_DESCRIPTION_BYTES = 60_000
_DESCRIPTION_CHARS = 20_000
_LOG_CHARS = 30_000
_LATE_S = 120.0

_PLAIN = str.maketrans("<>&", "()+")

Render = Callable[[Mapping[str, Any]], str]


MARK = "[sb:"
"""What every token begins with: it stands in the log of each incident that the bridge made."""


def token_line(token: str) -> str:
    """The last line of what a write leaves in iTop, which proves it."""
    return f"{MARK}{token}]"


@dataclass(frozen=True, slots=True)
class Pen:
    """The compiled texts of one way of writing."""

    prefix: str
    title_template: Render
    description_template: Render
    create_template: Render
    append_template: Render
    resolve_template: Render
    solution_template: Render

    @classmethod
    def of(cls, writing: Writing) -> Self:
        """Compile a writing's texts. Raises ExpressionError."""
        texts = writing.texts
        return cls(
            writing.title_prefix,
            compile_text(texts.title, html=False, max_chars=1_000),
            compile_text(texts.description, html=True, max_chars=_DESCRIPTION_CHARS),
            compile_text(texts.create_log, html=False, max_chars=_LOG_CHARS),
            compile_text(texts.append_log, html=False, max_chars=_LOG_CHARS),
            compile_text(texts.resolve_log, html=False, max_chars=_LOG_CHARS),
            compile_text(texts.solution, html=False, max_chars=1_000),
        )

    def title_head(self, digest: str) -> str:
        """What the titles of a case begin with."""
        return self.prefix.replace("{digest}", digest)

    def title(self, scene: Mapping[str, Any], digest: str) -> str:
        line = " ".join(self.title_template(scene).split())
        return cut_bytes(f"{self.title_head(digest)} {line}".strip(), TITLE_BYTES)

    def description(self, scene: Mapping[str, Any]) -> str:
        html = self.description_template(scene)
        if len(html.encode("utf-8", "replace")) <= _DESCRIPTION_BYTES:
            return html
        # cutting HTML would leave tags open: the log has the text anyway
        return "<p>The description is too long for iTop; the log has the alert.</p>"

    def log(self, template: Render, scene: Mapping[str, Any], token: str, head: str = "") -> str:
        text = f"{head}\n{template(scene)}" if head else template(scene)
        return f"{text.strip()}\n{token_line(token)}"

    def solution(self, scene: Mapping[str, Any], token: str) -> str:
        """One plain line that reads the same as text (iTop 2.7, 3.1) and as HTML (3.2) (transcripts 373, 455)."""
        line = " ".join(self.solution_template(scene).split()).translate(_PLAIN)
        return f"{line} {token_line(token)}"


def cut_bytes(text: str, most: int) -> str:
    """The longest beginning of `text` that has at most `most` bytes in UTF-8."""
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= most else encoded[: most - 3].decode("utf-8", "ignore") + "…"


def describe_scene(
    case: CaseState,
    backlog: Backlog,
    settings: Mapping[str, Any],
    *,
    now: float,
    previous: str | None,
    note: str = "",
    asset: Asset | None = None,
) -> dict[str, Any]:
    """What a template sees."""
    hosts, users, sources = backlog.named
    late_s = now - backlog.first_received
    return {
        "alert": backlog.lead or backlog.latest or {},
        "latest": backlog.latest or {},
        "alerts": list(backlog.samples),
        "case": {"digest": case.digest, "key": case.key, "ref": case.ref, "previous": previous, "firing": case.firing},
        "backlog": {
            "count": backlog.count,
            "firing": backlog.firing,
            "resolved": backlog.resolved,
            "first": _utc(backlog.first_received),
            "last": _utc(backlog.last_received),
            "severity": backlog.severity,
            "hosts": list(hosts),
            "users": list(users),
            "sources": list(sources),
            "news": find_news(backlog, case.told),
            "late_minutes": int(late_s // 60) if late_s >= _LATE_S else 0,
            "note": note,
        },
        "ci": {"name": asset.name, "class": asset.iclass, "criticality": asset.criticality} if asset else {},
        "settings": dict(settings),
    }


def _utc(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
