"""What a mail says: the templates of the bridge and of routes, and what they see. All that outsiders wrote is harmless
before a template sees it."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from itop_bridge.expression import compile_text
from itop_bridge.itop.page import link_object
from itop_bridge.journal.mail import Owed
from itop_bridge.journal.notice import Contents
from itop_bridge.log import ALARMS
from itop_bridge.mail.message import disarm, one_line
from itop_bridge.mail.outage import Turn
from itop_bridge.settings.mail import MAIL_NAMES, MOST_SUBJECT_CHARS, MOST_TEXT_CHARS
from itop_bridge.settings.unit import format_duration

Render = Callable[[Mapping[str, Any]], str]

_MOST_DESCRIPTION_CHARS = 2_000
_MOST_FACT_CHARS = 255
_FACTS = ("title", "severity", "host", "user", "source", "destination", "rule")

_SUBJECTS = {
    "escalated": "{% if count == 1 %}Not in iTop, {{ items[0].severity }}: {{ items[0].title }}"
    "{% else %}{{ count }} alerts are not in iTop: {{ items[0].title }}, …{% endif %}",
    "arrived": "{% if count == 1 %}In iTop now, {{ items[0].ref }}: {{ items[0].title }}"
    "{% else %}{{ count }} alerts are in iTop now{% endif %}",
    "created": "{% if count == 1 %}{{ items[0].ref }}: {{ items[0].title }}"
    "{% else %}{{ count }} incidents were created{% endif %}",
    "dead_letters": "{% if count == 1 %}A dead letter: {{ items[0].reason }}"
    "{% else %}{{ count }} dead letters: {% for each in counts %}{{ each.name }}"
    "{% if not loop.last %}, {% endif %}{% endfor %}{% endif %}",
    "outage": "{% if count == 1 %}{{ items[0].name }} {% if items[0].over %}is over{% else %}lasts{% endif %}"
    "{% else %}{{ count }} outages began or ended{% endif %}",
    "test": "A test of the mail of itop-bridge on {{ bridge }}",
}
_HEADS = {
    "escalated": "{{ count }} {% if count == 1 %}alert is{% else %}alerts are{% endif %} not in iTop yet. Nobody sees"
    " {% if count == 1 %}it{% else %}them{% endif %} there.\n"
    "{% for each in alarms %}\nAlarm: {{ each.name }} since {{ each.since }}{% endfor %}",
    "arrived": "These alerts were mailed because they were late. They are in iTop now.",
    "created": "Created in iTop:",
    "dead_letters": "What could not be used waits as dead letters: itop-bridge dead-letters list\n"
    "{% for each in counts %}\n{{ each.count }} {{ each.name }}{% endfor %}",
    "test": "This is what a mail about a late alert looks like. Nothing is wrong.",
}
_QUOTED = ("title", "host", "user", "source", "destination", "rule", "raised", "topic", "detail", "description")
"""What others wrote of an item, in the order in which it is told."""
_ALERT = """\

{{ loop.index }}. \
{% if each.severity %}{{ each.severity }}, {% endif %}route {{ each.route or '(none)' }}, {{ each.time }}\
{% if each.ref %}, {{ each.ref }}{% endif %}{% if each.waits %}; {{ each.waits }}{% endif %}
{% if each.link %}   {{ each.link }}
{% endif %}\
{% if each.reason %}   {{ each.reason }}{% if each.field %} ({{ each.field }}){% endif %}, number {{ each.id }}
{% endif %}\
{% for name in QUOTED %}\
{% if each[name] %}   > {{ name }}: {{ each[name] | replace('\\n', '\\n   >   ') }}
{% endif %}{% endfor %}""".replace("QUOTED", str(_QUOTED))
_BODY = f"""\
{{% for each in items %}}{_ALERT}{{% endfor %}}\
{{% if more %}}

And {{{{ more }}}} more.{{% endif %}}
{{% for each in items if {" or ".join(f"each.{name}" for name in _QUOTED)} %}}{{% if loop.first %}}\
What stands behind > was written by whoever sent the alerts. Its addresses are made unusable: [.] stands for a dot.
{{% endif %}}{{% endfor %}}"""
_OUTAGE = """\
{% for each in items %}{{ each.name }} {% if each.over %}is over; it held for {{ each.lasted }}, {% else %}holds \
for {{ each.lasted }}, {% endif %}since {{ each.since }}{% if each.detail %}
   > {{ each.detail }}{% endif %}
{% if not each.over %}
   What it tells: {{ each.meaning }}
   What to do: {{ each.remedy }}
{% endif %}{% endfor %}{% if waiting %}
{{ waiting }}
{% endif %}
Alarms that hold now: {% for each in alarms %}{{ each.name }}{% if not loop.last %}, {% endif %}\
{% else %}none{% endfor %}
"""
_FOOT = "\n-- \nitop-bridge on {{ bridge }}\n"

SUBJECTS: Mapping[str, str] = MappingProxyType(_SUBJECTS)
"""The bridge's own templates, by kind."""
TEXTS: Mapping[str, str] = MappingProxyType(
    {**{kind: f"{head}\n{_BODY}{_FOOT}" for kind, head in _HEADS.items()}, "outage": f"{_OUTAGE}{_FOOT}"}
)


@dataclass(frozen=True, slots=True)
class Pen:
    """Compiled templates: a circle's own, or None where the bridge's are used."""

    subject: Render | None = None
    text: Render | None = None


def compile_pen(subject: str | None, text: str | None) -> Pen:
    """Raises ExpressionError."""
    return Pen(
        _compile(subject, MOST_SUBJECT_CHARS) if subject else None,
        _compile(text, MOST_TEXT_CHARS) if text else None,
    )


def _compile(source: str, most_chars: int, names: Sequence[str] = MAIL_NAMES) -> Render:
    return compile_text(source, html=False, max_chars=most_chars, names=names)


_OWN_NAMES = (*MAIL_NAMES, "waiting")
_USUAL = {
    kind: Pen(_compile(SUBJECTS[kind], MOST_SUBJECT_CHARS), _compile(TEXTS[kind], MOST_TEXT_CHARS, _OWN_NAMES))
    for kind in TEXTS
}


def write_text(scene: Mapping[str, Any], pen: Pen) -> tuple[str, str]:
    """Subject and text. Raises ExpressionError if a template of one's own fails."""
    usual = _USUAL[scene["kind"]]
    subject, text = pen.subject or usual.subject, pen.text or usual.text
    if subject is None or text is None:
        raise AssertionError("the bridge has a template for everything")
    return f"[itop-bridge] {one_line(subject(scene), MOST_SUBJECT_CHARS)}", text(scene)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every mail may tell."""

    bridge: str
    """This machine's name."""
    itop: str
    """iTop's address."""
    now: float
    alarms: Sequence[tuple[str, float]] = ()
    """Those that hold, with since when."""


def describe_contents(kind: str, contents: Contents, around: Surroundings) -> dict[str, Any]:
    """What the templates see of notices."""
    items = [_describe_item(row, around) for row in contents.items]
    counts = [{"name": name, "count": count} for name, count in contents.counts.items()]
    return _scene(kind, items, contents.count, around, counts)


def describe_turns(turns: Sequence[Turn], around: Surroundings, waiting: str = "") -> dict[str, Any]:
    """What the template sees of outages. `waiting` is what iTop is owed meanwhile, in words."""
    items = [
        {
            "name": turn.name,
            "since": _tell_time(turn.since),
            "lasted": format_duration(max(0.0, round(around.now - turn.since))),
            "over": turn.over,
            "detail": disarm(turn.detail, _MOST_FACT_CHARS).replace("\n", " "),
            "meaning": ALARMS[turn.name].meaning,
            "remedy": ALARMS[turn.name].remedy,
        }
        for turn in turns
    ]
    return {**_scene("outage", items, len(items), around), "waiting": waiting}


def describe_waiting(owed: Owed) -> str:
    """`What waits: 12 alerts for iTop, 3 messages to be read.` Empty if nothing does. Pure."""
    parts = [
        f"{_count(owed.alerts, 'alert')} for iTop" if owed.alerts else "",
        f"{_count(owed.messages, 'message')} to be read" if owed.messages else "",
    ]
    told = ", ".join(filter(None, parts))
    return f"What waits: {told}." if told else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _scene(
    kind: str, items: list[dict[str, Any]], count: int, around: Surroundings, counts: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    alarms = [{"name": name, "since": _tell_time(since)} for name, since in around.alarms]
    more = count - len(items)
    return {
        "kind": kind,
        "items": items,
        "count": count,
        "more": more,
        "counts": list(counts),
        "alarms": alarms,
        "bridge": around.bridge,
    }


def _describe_item(row: Mapping[str, Any], around: Surroundings) -> dict[str, Any]:
    alert = row["alert"]
    facts = {name: _disarm(alert.get(name)) for name in _FACTS}
    return {
        **facts,
        "raised": _disarm(alert.get("time")),
        "description": _disarm(alert.get("description"), _MOST_DESCRIPTION_CHARS),
        "route": row["route"],
        "time": _tell_time(row["at"]),
        "minutes": int(max(0.0, around.now - row["at"]) // 60),
        "case": row.get("digest"),
        "ref": _disarm(row.get("ref")),
        "link": link_object(around.itop, row.get("iclass"), row.get("incident")),
        "waits": _tell_waiting(row),
        "id": row.get("id"),
        "reason": row.get("reason"),
        "field": _disarm(row.get("field")),
        "detail": _disarm(row.get("detail")),
        "topic": _disarm(row.get("topic")),
    }


def _disarm(value: Any, most_chars: int = _MOST_FACT_CHARS) -> str | None:
    return None if value is None else disarm(str(value), most_chars)


def _tell_waiting(row: Mapping[str, Any]) -> str | None:
    if row.get("parked"):
        return f"its case waits for a person ({row['parked']})"
    return "an operator holds its route back" if row.get("paused") else None


def _tell_time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
