"""Writes the SIEMs' letters, from a seed the same: alerts that fire, change and end, storms, repeats, rubbish."""

import datetime
import json
from dataclasses import dataclass, field

from letter import Kind, Letter, Mention

_ORGS = ("EXC", "EXC", "OTH")
_CHAPTER = 40
"""Pieces of news; then other cases begin, since incidents are most in danger while they are created."""
_BEGIN = datetime.datetime(2026, 11, 24, 10, tzinfo=datetime.UTC)
_NEWS = {
    "state": 30,
    "shot": 12,
    "batch": 8,
    "group": 6,
    "repeat": 8,
    "storm_of_shots": 1.5,
    "storm_of_repeats": 1,
    "early": 2,
    "rubbish": 3,
    "homeless": 0.5,
}
_RUBBISH = (
    (b"", "empty_payload"),
    (b"{not json", "invalid_json"),
    (b'{"title": NaN}', "invalid_json"),
    (b"42", "not_an_object"),
    (b'{"title": "\xff\xfe"}', "invalid_encoding"),
    (b"[" * 2000 + b"]" * 2000, "too_deep"),
    (b'{"title": "' + b"x" * 1_500_000 + b'"}', "too_large"),
)
_SEVERITIES = ("low", "medium", "high", "high", "critical")


@dataclass(slots=True)
class _Alert:
    """One alert of a SIEM that keeps states."""

    case: str
    id: str
    episode: str | None = None
    """The time of its firing, while it fires."""


@dataclass(slots=True)
class _Chapter:
    """The cases of a while."""

    number: int
    alerts: dict[tuple[str, str], list[_Alert]] = field(default_factory=dict)
    """By organisation and route."""
    letters: list[Letter] = field(default_factory=list)


class Author:
    """`write` gives the next piece of news: one letter or several, to be sent in this order."""

    def __init__(self, dice):
        self._dice = dice
        self._number = 0
        self._pieces = 0
        self._chapter = self._open_chapter(0)

    def write(self):
        self._pieces += 1
        if self._pieces % _CHAPTER == 0:
            return self._turn_the_page()
        news = self._dice.choices(list(_NEWS), list(_NEWS.values()))[0]
        letters = getattr(self, f"_write_{news}")()
        self._chapter.letters += [each for each in letters if each not in self._chapter.letters]
        return letters

    def _open_chapter(self, number):
        chapter = _Chapter(number)
        for org in sorted(set(_ORGS)):
            # the same names and ids in both organisations: tenants must not be mixed for that
            chapter.alerts[org, "generic"] = [
                _Alert(f"{org}/generic/{number}-{group}", f"g{number}-{group}-{each}")
                for group in range(3)
                for each in range(3)
            ]
            chapter.alerts[org, "alertmanager"] = [
                _Alert(f"{org}/alertmanager/am{number}-{each}", f"am{number}-{each}") for each in range(3)
            ]
        return chapter

    def _turn_the_page(self):
        """What fires ends, or is left firing for good."""
        letters = [
            self._tell_state(org, alert, Kind.RESOLVE)
            for (org, route), alerts in sorted(self._chapter.alerts.items())
            for alert in alerts
            if route == "generic" and alert.episode and self._dice.random() < 0.6
        ]
        self._chapter = self._open_chapter(self._chapter.number + 1)
        return letters

    # alerts that have states

    def _write_state(self):
        org = self._dice.choice(_ORGS)
        alert = self._dice.choice(self._chapter.alerts[org, "generic"])
        return [self._tell_state(org, alert, self._choose_kind(alert))]

    def _choose_kind(self, alert):
        if alert.episode is None:
            return Kind.FIRE
        return self._dice.choice((Kind.UPDATE, Kind.UPDATE, Kind.RESOLVE, Kind.RESOLVE, Kind.FIRE))

    def _tell_state(self, org, alert, kind):
        mention = self._mention(kind, alert.case, alert.id)
        return self._letter(org, "generic", self._generic(mention, self._follow(alert, mention)), mention)

    def _follow(self, alert, mention):
        """The time that the alert bears."""
        moment = alert.episode
        if mention.kind is Kind.FIRE or moment is None:
            moment = self._moment(mention)
        alert.episode = None if mention.kind is Kind.RESOLVE else moment
        return moment

    def _generic(self, mention, moment):
        ends = mention.kind in (Kind.RESOLVE, Kind.EARLY)
        return {
            "id": mention.alert,
            "title": f"{mention.marker} {mention.kind} of {mention.alert}",
            "rule": mention.case.rpartition("/")[2],
            "severity": self._dice.choice(_SEVERITIES),
            "state": "resolved" if ends else "firing",
            "host": f"srv-{self._dice.randrange(4)}",
            "time": moment,
        }

    def _write_batch(self):
        """Alertmanager's webhook, with several alerts at once."""
        org = self._dice.choice(_ORGS)
        some = self._dice.sample(self._chapter.alerts[org, "alertmanager"], self._dice.choice((1, 2, 3)))
        mentions, alerts = [], []
        for alert in some:
            mention = self._mention(self._choose_kind(alert), alert.case, alert.id)
            mentions.append(mention)
            alerts.append(
                {
                    "status": "resolved" if mention.kind is Kind.RESOLVE else "firing",
                    "labels": {"alertname": f"{mention.marker} {alert.id}", "severity": self._dice.choice(_SEVERITIES)},
                    "startsAt": self._follow(alert, mention),
                    "fingerprint": alert.id,
                }
            )
        return [self._letter(org, "alertmanager", {"status": "firing", "alerts": alerts}, *mentions)]

    def _write_early(self):
        """A resolve, and then, mostly, its alert."""
        org = self._dice.choice(_ORGS)
        case, alert = f"{org}/generic/{self._chapter.number}-0", f"early-{self._number}"
        early = self._mention(Kind.EARLY, case, alert)
        moment = self._moment(early)
        letters = [self._letter(org, "generic", self._generic(early, moment), early)]
        if self._dice.random() < 0.7:
            late = self._mention(Kind.OVERTAKEN, case, alert)
            letters.append(self._letter(org, "generic", self._generic(late, moment), late))
        return letters

    # alerts that have none

    def _write_shot(self):
        org = self._dice.choice(_ORGS)
        return [self._tell_shots(org, self._dice.randrange(2), 1)]

    def _write_group(self):
        """Several in one message, with rubbish between them."""
        org, group, count = self._dice.choice(_ORGS), self._dice.randrange(2), self._dice.randint(2, 5)
        return [self._tell_shots(org, group, count, torn=True)]

    def _tell_shots(self, org, group, count, *, torn=False):
        rule = f"{self._chapter.number}-{group}"
        mentions = [self._shot(f"{org}/wazuh/{rule}") for _ in range(count)]
        elements = [
            {
                "timestamp": self._moment(mention),
                "rule": {"id": rule, "level": self._dice.choice((5, 9, 13)), "description": f"{mention.marker} shot"},
                "agent": {"id": "006", "name": f"srv-{self._dice.randrange(4)}"},
                "id": mention.alert,
            }
            for mention in mentions
        ]
        if torn:
            elements.insert(1, "text")
            mentions.insert(1, self._mention(Kind.RUBBISH, f"{org}/wazuh/", "", "not_an_object"))
        return self._letter(org, "wazuh", elements if len(elements) > 1 else elements[0], *mentions)

    def _shot(self, case):
        return self._mention(Kind.SHOT, case, f"1.{self._number + 1}")

    # storms, and what is no alert

    def _write_storm_of_shots(self):
        org, group = self._dice.choice(_ORGS), self._dice.randrange(2)
        return [self._tell_shots(org, group, 1) for _ in range(self._dice.randint(30, 150))]

    def _write_repeat(self):
        return [self._dice.choice(self._chapter.letters)] if self._chapter.letters else []

    def _write_storm_of_repeats(self):
        return self._write_repeat() * self._dice.randint(20, 60)

    def _write_rubbish(self):
        payload, reason = self._dice.choice(_RUBBISH)
        org = self._dice.choice(_ORGS)
        return [Letter(f"siem/{org}/generic", payload, (self._mention(Kind.RUBBISH, f"{org}/generic/", "", reason),))]

    def _write_homeless(self):
        mention = self._mention(Kind.HOMELESS, f"NOPE/generic/{self._chapter.number}", f"h{self._number}")
        return [self._letter("NOPE", "generic", self._generic(mention, self._moment(mention)), mention)]

    # parts

    def _mention(self, kind, case, alert, reason=""):
        self._number += 1
        return Mention(f"M{self._number:06}", self._number, kind, case, alert, reason)

    def _letter(self, org, route, payload, *mentions):
        return Letter(f"siem/{org}/{route}", json.dumps(payload).encode(), mentions)

    def _moment(self, mention):
        return (_BEGIN + datetime.timedelta(seconds=mention.number)).strftime("%Y-%m-%dT%H:%M:%S.000+00:00")
