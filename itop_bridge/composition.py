"""The stages, composed: what each is made of, and how they wake and watch one another."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from itop_bridge.beat import Beats
from itop_bridge.clock import SteadyClock
from itop_bridge.delivery.attachment import Attachments
from itop_bridge.delivery.attempt import Pace
from itop_bridge.delivery.delivery import Delivery
from itop_bridge.delivery.movement import Movement
from itop_bridge.delivery.survey import Question, Survey
from itop_bridge.errors import JournalFullError
from itop_bridge.intake.broker import Broker
from itop_bridge.intake.intake import Intake
from itop_bridge.itop.breaker import Breaker
from itop_bridge.itop.client import Client
from itop_bridge.itop.connection import describe_connection
from itop_bridge.itop.gate import Gate, State
from itop_bridge.itop.measured import Measured
from itop_bridge.itop.operation import Operations as Way
from itop_bridge.itop.pace import Concurrency, Pacer
from itop_bridge.itop.read_only import ReadOnly
from itop_bridge.journal.attachment import AttachmentJournal
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.intake import IntakeJournal
from itop_bridge.journal.letter_day import LetterDayJournal
from itop_bridge.journal.mail import MailJournal
from itop_bridge.journal.result import ResultJournal
from itop_bridge.journal.retention import Retention
from itop_bridge.journal.source import SourceJournal
from itop_bridge.journal.store import Store
from itop_bridge.journal.triage import TriageJournal
from itop_bridge.log import Alarms
from itop_bridge.mail.correspondence import describe_correspondence
from itop_bridge.mail.mailer import Mailer
from itop_bridge.mail.mailer import Pace as MailPace
from itop_bridge.metric.meter import Meter
from itop_bridge.outward.outward import Outward
from itop_bridge.outward.presence import Presence
from itop_bridge.outward.publisher import Publisher
from itop_bridge.settings.model import Itop, Settings
from itop_bridge.triage.heartbeat import Heartbeat
from itop_bridge.triage.load import Routing
from itop_bridge.triage.own_incident import LetterWatch
from itop_bridge.triage.triage import STALLED_S, Triage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ground:
    """What all stages stand on."""

    store: Store
    alarms: Alarms
    meter: Meter
    beats: Beats
    pace: Pace

    @property
    def clock(self) -> Callable[[], float]:
        """The time of day that the journal knows."""
        return self.pace.clock


@dataclass(frozen=True, slots=True)
class Approach:
    """The one way to iTop, and who must move on it."""

    gate: Gate
    movement: Movement
    clients: contextlib.AsyncExitStack
    """After a reload the old one stays open until its calls are done."""
    meter: Meter
    shadow: bool

    async def change(self, itop: Itop) -> None:
        """Reach iTop in another way from now on. Raises ITopError if the new client cannot be made."""
        self.gate.reset(await _open_way(self.clients, itop, self.meter, shadow=self.shadow))
        self.movement.allow(itop.timeout)


@dataclass(frozen=True, slots=True)
class Stages:
    """All that works on the journal, in the order of an alert's way."""

    ground: Ground
    approach: Approach
    intake: Intake
    triage: Triage
    delivery: Delivery
    attachments: Attachments
    outward: Outward
    mailer: Mailer
    survey: Survey
    heartbeat: Heartbeat
    letters: LetterWatch
    retention: Retention

    @property
    def is_ready(self) -> bool:
        """True while alerts come in and go out."""
        return self.intake.state.ready and self.approach.gate.state.reachable and not self.ground.beats.find_stalled()

    async def change(self, settings: Settings, routing: Routing) -> None:
        """Switch to another configuration: routes, factories, formats, mail, and how iTop is reached.

        The rest (broker, journal, console, log, rate) is taken up by a restart, which loses nothing. Parked cases are
        tried once more, and so are credentials that iTop refused. Raises ITopError if the new client cannot be made,
        JournalFullError if the disk is full: what needs no disk is switched then, the rest by the next reload.
        """
        await self.approach.change(settings.itop)
        self.triage.routes = routing.routes
        self.attachments.release()
        self.survey.ask(_questions(routing))
        self.mailer.change(describe_correspondence(settings))
        await self.intake.change_filters(_filters(routing))
        await self.outward.follow(settings)
        with contextlib.suppress(JournalFullError):  # an alarm tells of it; parked cases wait for the next reload
            await self.delivery.release()


@contextlib.asynccontextmanager
async def compose(settings: Settings, routing: Routing, *, shadow: bool = False) -> AsyncIterator[Stages]:
    """The stages around an open journal. Each wakes the next one through the journal. Raises BridgeError."""
    async with contextlib.AsyncExitStack() as stack:
        ground = await _lay_ground(stack, settings)
        approach = await _open_approach(stack, settings.itop, ground, shadow=shadow)
        stages = _compose_stages(settings, routing, ground, approach)
        await stages.outward.follow(settings)
        stages.survey.ask(_questions(routing))
        await stages.delivery.recover()
        await stages.attachments.recover()
        yield stages


async def _lay_ground(stack: contextlib.AsyncExitStack, settings: Settings) -> Ground:
    store = await Store.open(settings.journal.path)
    stack.push_async_callback(store.close)
    log.info("journal.opened", path=str(settings.journal.path))
    meter = Meter()
    store.on_commit = meter.record_commit
    pace = Pace(settings.itop.rate, settings.itop.server_time_limit, SteadyClock())
    return Ground(store, Alarms(clock=pace.clock), meter, Beats(), pace)


async def _open_approach(stack: contextlib.AsyncExitStack, itop: Itop, ground: Ground, *, shadow: bool) -> Approach:
    clients = await stack.enter_async_context(contextlib.AsyncExitStack())
    way = await _open_way(clients, itop, ground.meter, shadow=shadow)
    movement = Movement(ground.beats, timeout_s=itop.timeout, rate_per_s=itop.rate)
    pacer = Pacer(itop.rate)
    pacer.on_turn = ground.meter.record_wait
    pacer.on_pause = movement.stage.wait_for
    gate = await stack.enter_async_context(Gate(way, pacer, Concurrency(itop.concurrency), Breaker()))
    gate.on_call = movement.note
    return Approach(gate, movement, clients, ground.meter, shadow)


async def _open_way(clients: contextlib.AsyncExitStack, itop: Itop, meter: Meter, *, shadow: bool) -> Way:
    """A client; in the shadow nothing goes through it that writes."""
    client = await clients.enter_async_context(Client(describe_connection(itop)))
    measured = Measured(client, meter.record_call)
    return ReadOnly(measured) if shadow else measured


def _compose_stages(settings: Settings, routing: Routing, ground: Ground, approach: Approach) -> Stages:
    store, alarms, clock, gate = ground.store, ground.alarms, ground.clock, approach.gate
    delivery = Delivery(
        DeliveryJournal(store, clock),
        gate,
        alarms,
        ground.pace,
        shadow=approach.shadow,
        on_write=ground.meter.record_write,
        movement=approach.movement,
    )
    triage = _compose_triage(routing, ground, delivery)
    broker = Broker(settings.mqtt, clock=clock)
    intake = Intake(broker, IntakeJournal(store, triage.wake), alarms, _filters(routing))
    outward = _compose_outward(settings, ground, approach, broker, intake)
    heartbeat = Heartbeat(
        SourceJournal(store, clock, triage.wake),
        alarms,
        lambda: triage.routes,
        lambda: intake.state.connections if intake.state.ready else None,
    )
    mailer = Mailer(
        MailJournal(store, clock),
        alarms,
        describe_correspondence(settings),
        MailPace(clock),
        on_mail=ground.meter.record_mail,
    )
    return Stages(
        ground,
        approach,
        intake,
        triage,
        delivery,
        Attachments(AttachmentJournal(store, clock), gate, alarms, ground.pace, shadow=approach.shadow),
        outward,
        mailer,
        Survey(gate, alarms),
        heartbeat,
        LetterWatch(LetterDayJournal(store, clock, triage.wake), lambda: triage.routes),
        Retention(store, settings.journal.keep, settings.mqtt.session_expiry, clock=clock),
    )


def _compose_triage(routing: Routing, ground: Ground, delivery: Delivery) -> Triage:
    triage = Triage(
        TriageJournal(ground.store, ground.clock, delivery.wake),
        routing.routes,
        ground.alarms,
        clock=ground.clock,
        beat=ground.beats.begin("triage", STALLED_S),
    )
    triage.on_mapped = ground.meter.record_mapped
    return triage


def _compose_outward(settings: Settings, ground: Ground, approach: Approach, broker: Broker, intake: Intake) -> Outward:
    gate, results = approach.gate, ResultJournal(ground.store)
    publisher = Publisher(
        broker,
        results,
        ground.alarms,
        ground.meter,
        filters=lambda: intake.filters,
        itop_address=settings.itop.address,
    )
    outward = Outward(Presence(broker, lambda: gate.state.reachable), publisher, results)
    intake.on_subscribed = outward.greet
    intake.on_refused = ground.meter.record_refused_response

    def tell(state: State) -> None:
        _tell_state(ground.alarms, state)
        outward.presence.note_change()

    gate.on_change = tell
    return outward


def _tell_state(alarms: Alarms, state: State) -> None:
    """One alarm for an iTop that cannot be reached, one for an iTop that answers and refuses to write."""
    holds = {"itop_unreachable": not state.reachable, "itop_not_allowed": state.reachable and state.reason is not None}
    for name, begins in holds.items():
        if begins:
            alarms.raise_(name, detail=state.detail[:300], reason=state.reason)
        else:
            alarms.clear(name)


def _filters(routing: Routing) -> list[str]:
    return [route.pattern.filter for route in routing.routes if not route.is_own]


def _questions(routing: Routing) -> list[Question]:
    return [Question(route.name, route.profile.writing, route.place) for route in routing.routes]
