"""Whether iTop has what the configuration speaks of: account, operations, organisations, references, class, rights.

Nothing is written: the one create that is sent has no title, and iTop must refuse it (delivery/survey.py).
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from itop_bridge.delivery.reference import References, UnknownOrganization
from itop_bridge.delivery.survey import Question, Trials, find_mismatches
from itop_bridge.itop.answer import Answer
from itop_bridge.itop.error import CredentialsError, ITopError, NotAllowedError, PermanentError
from itop_bridge.itop.operation import Operations
from itop_bridge.itop.pace import Pacer
from itop_bridge.settings.policy import Policy
from itop_bridge.spelling import suggest
from itop_bridge.trial.finding import Finding, Verdict

_NEEDED = ("core/get", "core/create", "core/update", "core/apply_stimulus")
_STIMULI = (
    *("ev_assign", "ev_reassign", "ev_pending", "ev_resolve", "ev_autoresolve", "ev_reopen", "ev_close"),
    *("ev_wait_for_approval", "ev_approve", "ev_reject", "ev_timeout"),
)
"""Of iTop's own Incident and UserRequest. Which others a data model has cannot be asked (transcripts 292-334)."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A route, as far as iTop is concerned; the places are file, line and column."""

    question: Question
    policy: Policy
    organization: str
    """`code:EXC`; with braces a template, which only alerts fill in."""
    organization_place: str
    resolve_place: str


@dataclass(frozen=True, slots=True)
class Account:
    """Where the account's settings stand."""

    name: str
    address_place: str
    login_place: str


class Paced(Operations):
    """Operations of another, no faster than the configuration allows."""

    def __init__(self, operations: Operations, pacer: Pacer) -> None:
        self._operations = operations
        self._pacer = pacer

    async def call(self, operation: Mapping[str, Any]) -> Answer:
        """Send one operation when its turn has come. Raises one ITopError."""
        await self._pacer.turn()
        return await self._operations.call(operation)


async def examine_itop(operations: Operations, account: Account, subjects: Sequence[Subject]) -> AsyncIterator[Finding]:
    """Everything that can be told, in order; nothing more once iTop cannot be asked."""
    try:
        answer = await operations.check()
    except ITopError as error:
        yield _judge_login(error, account)
        return
    yield Finding(Verdict.OK, account.address_place, f"itop: logged in as {account.name}")
    for name in _NEEDED:
        if name not in answer.operations:
            yield Finding(Verdict.WRONG, account.address_place, f"itop: its REST API has no operation {name}")
    references = References(operations, lambda: 0.0)
    trials: Trials = {}
    for subject in subjects:
        try:
            yield await _examine_organization(operations, references, subject)
            for finding in await _examine_writing(operations, subject.question, trials):
                yield finding
        except ITopError as error:
            route = subject.question
            yield Finding(_judge(error), route.place(""), f"route {route.route}: {error}")
        for finding in _examine_stimuli(subject):
            yield finding


def _judge_login(error: ITopError, account: Account) -> Finding:
    if isinstance(error, CredentialsError):
        hint = "check user and password (or token), and that the user has the profile REST Services User"
        return Finding(Verdict.WRONG, account.login_place, f"itop: {error}; {hint}")
    return Finding(_judge(error), account.address_place, f"itop: {error}")


def _judge(error: ITopError) -> Verdict:
    is_answer = isinstance(error, CredentialsError | NotAllowedError | PermanentError)
    return Verdict.WRONG if is_answer else Verdict.UNREACHED


async def _examine_organization(operations: Operations, references: References, subject: Subject) -> Finding:
    route, place, name = subject.question.route, subject.organization_place, subject.organization
    if "{" in name:
        answer = await operations.fetch("Organization", "SELECT Organization", "id", limit=1, page=1)
        shown = f"iTop shows this user {answer.total or 0} organisation{'' if answer.total == 1 else 's'}"
        text = f"route {route}: the organisation of each alert is {name}; {shown}"
        return Finding(Verdict.OK if answer.total else Verdict.WRONG, place, text)
    found = await references.find_organization(name)
    if isinstance(found, UnknownOrganization):
        return Finding(Verdict.WRONG, place, f"route {route}: {found.detail}")
    return Finding(Verdict.OK, place, f"route {route}: the organisation {name} is there")


async def _examine_writing(operations: Operations, question: Question, trials: Trials) -> list[Finding]:
    writing, place = question.writing, question.place
    mismatches = await find_mismatches(operations, writing, trials)
    if mismatches:
        return [
            Finding(Verdict.WRONG, place(each.attribute), f"route {question.route}: {each.detail}")
            for each in mismatches
        ]
    named = [
        Finding(Verdict.OK, place(attribute), f"route {question.route}: the {iclass} {name!r} is there")
        for attribute, iclass, name in writing.references
    ]
    told = f"route {question.route}: {writing.iclass} has all that is written, and may be created"
    return [*named, Finding(Verdict.OK, place(""), told)]


def _examine_stimuli(subject: Subject) -> Iterator[Finding]:
    for stimulus in subject.policy.resolve_path:
        told = f"route {subject.question.route}: the stimulus {stimulus}"
        if stimulus in _STIMULI:
            yield Finding(Verdict.OK, subject.resolve_place, f"{told} is one of iTop's own")
        else:
            text = f"{told} is none of iTop's own, and iTop tells nobody which a data model has"
            yield Finding(Verdict.UNKNOWN, subject.resolve_place, text + suggest(stimulus, _STIMULI))
