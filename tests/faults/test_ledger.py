"""The ledger finds what is planted in it: on the record of a short real run, which itself must be clean."""

import asyncio
import copy
import importlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.local.system import System
from services.supplier.store import SUPPLIERS
from shared.contracts.examples import example_data
from shared.contracts.notifications import Subscribe
from shared.contracts.person import PersonCommand
from shared.contracts.supplier import RegisterSupplier
from shared.messaging.client import Client
from shared.store.connect import connect
from shared.store.port import PENDING
from tests.faults.chaos import seeds
from tests.faults.chaos.recovery import LIMIT_SECONDS
from tests.faults.chaos.running import Run, outcome, recorded
from tests.faults.chaos.schedule import SERVICES, TARGETS, WEIGHTS, Fault, schedule
from tests.faults.ledger import Ledger, Mailed, audit
from tests.faults.load import COMMANDS, WISHES, plan
from tests.notifications.sink import Sink
from tests.support.embedded import rummelig

SECONDS = 10.0
FAULTS = [Fault(2.0, "kill", "events"), Fault(4.0, "kill broker", "rabbitmq"), Fault(4.5, "kill", "notifications")]

type Plant = Callable[[Ledger], None]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Ten seconds of load, two services and the broker killed."""
    return asyncio.run(recorded(1, SECONDS, tmp_path_factory.mktemp("short"), FAULTS))


def test_a_short_run_loses_nothing_and_does_nothing_twice(short: Run):
    told = outcome(1, SECONDS, short)
    assert told["findings"] == [each for each in told["findings"] if each["kind"] == "uncertain"]
    assert (told["lost"], told["duplicated"], told["stuck"]) == (0, 0, 0)
    assert told["faults"] == len(FAULTS)
    assert told["commands"] > 100
    assert short.recoveries.seconds["kill broker"]
    asked = {sent.name for sent in short.ledger.commands.values()}
    assert {"register-supplier", "sign-up", "publish-demand", "subscribe"} <= asked


def doc(ledger: Ledger, service: str, collection: str, **fields: Any) -> dict[str, Any]:
    """A document with these fields."""
    found = ledger.documents(service, collection)
    return next(d for d in found if all(d[name] == value for name, value in fields.items()))


def drop(ledger: Ledger, service: str, collection: str, **fields: Any) -> None:
    ledger.documents(service, collection).remove(doc(ledger, service, collection, **fields))


def again(ledger: Ledger, service: str, collection: str, **fields: Any) -> None:
    """The same document under another id."""
    copied = copy.deepcopy(doc(ledger, service, collection, **fields)) | {"_id": "planted"}
    ledger.documents(service, collection).append(copied)


def unheard(ledger: Ledger, name: str) -> None:
    gone = ledger.named(name)[-1]
    ledger.events[:] = [event for event in ledger.events if event.id != gone.id]


def heard_under_another_id(ledger: Ledger, name: str) -> None:
    ledger.events.append(ledger.named(name)[-1].model_copy(update={"id": "planted"}))


def answered(ledger: Ledger, name: str) -> Any:
    return ledger.answered(name)[-1]


def mail_again(ledger: Ledger) -> None:
    sent = doc(ledger, "notifications", "deliveries", state="sent", doubts=0)
    ledger.mails.append(Mailed(sent["message_id"], sent["recipient"], 0.0))


def mail_never(ledger: Ledger) -> None:
    sent = doc(ledger, "notifications", "deliveries", state="sent")
    ledger.mails[:] = [mail for mail in ledger.mails if mail.message_id != sent["message_id"]]


def owe(ledger: Ledger) -> None:
    event = {"id": "planted", "type": "dk.rummelig.supplier.supplier-updated.v1"}
    doc(ledger, "supplier", "suppliers")["outbox"] = [event]


PLANTS: dict[str, tuple[Plant, str, str]] = {
    "an answer that never came": (lambda ledger: answered(ledger, "sign-up").replies.clear(), "lost", "never answered"),
    "two answers": (lambda ledger: answered(ledger, "sign-up").replies.append("{}"), "duplicated", "two answers"),
    "a right command refused": (
        lambda ledger: answered(ledger, "sign-up").replies.__setitem__(slice(None), [REFUSED]),
        "lost",
        "answered 404",
    ),
    "an event that never came": (lambda ledger: unheard(ledger, "supplier-registered"), "lost", "was never told"),
    "a mail's event that never came": (lambda ledger: unheard(ledger, "mail-sent"), "lost", "was never told"),
    "a fact told twice": (lambda ledger: heard_under_another_id(ledger, "signup-confirmed"), "duplicated", "2 ids"),
    "an event of nothing": (lambda ledger: drop(ledger, "procurement", "demands"), "lost", "stands in no store"),
    "a sign-up that is gone": (lambda ledger: drop(ledger, "events", "signups"), "lost", "arrivals were counted"),
    "a second sign-up": (
        lambda ledger: again(ledger, "events", "signups", state="confirmed"),
        "duplicated",
        "are active",
    ),
    "a seat too many": (
        lambda ledger: doc(ledger, "events", "events")["online"].update(capacity=0),
        "duplicated",
        "of 0 seats",
    ),
    "a second profile": (lambda ledger: again(ledger, "supplier", "suppliers"), "duplicated", "2 profiles"),
    "a copy that is old": (
        lambda ledger: doc(ledger, "procurement", "suppliers").update(version=99),
        "lost",
        "stands at version 99",
    ),
    "a match that is missing": (lambda ledger: ledger.documents("procurement", "matches").clear(), "lost", "they fit"),
    "a second match": (lambda ledger: again(ledger, "procurement", "matches"), "duplicated", "2 in the store"),
    "a second subscriber": (
        lambda ledger: again(ledger, "notifications", "subscribers"),
        "duplicated",
        "2 in the store",
    ),
    "a consent that is missing": (lambda ledger: drop(ledger, "notifications", "consents"), "lost", "changed"),
    "a mail that never came": (mail_never, "lost", "the mail server never took it"),
    "a mail that came twice": (mail_again, "duplicated", "came 2 times"),
    "a delivery never made": (
        lambda ledger: drop(ledger, "notifications", "deliveries", kind="match-buyer"),
        "lost",
        "led to no delivery",
    ),
    "a mail without a delivery": (
        lambda ledger: ledger.mails.append(Mailed("<planted@eksempel.example>", "x@eksempel.example", 0.0)),
        "duplicated",
        "no delivery has its Message-ID",
    ),
    "a mail that waits": (
        lambda ledger: doc(ledger, "notifications", "deliveries").update(state="queued"),
        "stuck",
        "is still queued",
    ),
    "an event in an outbox": (owe, "stuck", "still has to tell"),
    "a message in a queue": (lambda ledger: ledger.queues.update({"events.commands": 1}), "stuck", "still holds"),
    "an innocent dead letter": (
        lambda ledger: ledger.dead.append(("planted", "events", "handler-failed: boom")),
        "stuck",
        "is a dead letter",
    ),
}
REFUSED = (
    '{"ok": false, "problem": {"type": "https://rummelig.example/problems/not-found", "title": "Not found", '
    '"status": 404, "detail": "there is no network event"}}'
)


@pytest.mark.parametrize(("plant", "kind", "why"), PLANTS.values(), ids=PLANTS)
def test_what_is_planted_is_found_and_explained(short: Run, plant: Plant, kind: str, why: str):
    ledger = copy.deepcopy(short.ledger)
    before = audit(ledger)
    plant(ledger)
    found = [finding for finding in audit(ledger) if finding not in before]
    assert [each for each in found if each.kind == kind and why in each.why], found


def test_a_mail_in_doubt_is_told_as_uncertain_only_after_a_fault(short: Run):
    ledger = copy.deepcopy(short.ledger)
    mail_again(ledger)
    doc(ledger, "notifications", "deliveries", state="sent", doubts=0)["doubts"] = 1
    ledger.mails[-1] = Mailed(ledger.mails[-1].message_id, ledger.mails[-1].recipient, ledger.faults[-1].ended + 1)
    assert {each.kind for each in audit(ledger) if "came 2 times" in each.why} == {"uncertain"}
    ledger.faults.clear()
    assert {each.kind for each in audit(ledger) if "came 2 times" in each.why} == {"duplicated"}


def test_a_refused_command_with_an_effect_is_found(short: Run):
    ledger = copy.deepcopy(short.ledger)
    effect = ledger.named("supplier-registered")[-1]
    ledger.commands[str(effect.causationid)].replies[:] = [REFUSED]
    assert any("was refused with 404, yet caused" in each.why for each in audit(ledger))


def test_who_waits_while_a_later_one_sits_is_found(short: Run):
    ledger = copy.deepcopy(short.ledger)
    seated = doc(ledger, "events", "signups", state="confirmed")
    seated["state"] = "waiting"
    later = copy.deepcopy(seated) | {"_id": "planted", "arrival": seated["arrival"] + 1000, "state": "confirmed"}
    ledger.documents("events", "signups").append(later)
    assert any("who came later, has a seat" in each.why for each in audit(ledger))


def test_the_same_seed_gives_the_same_plan_and_schedule():
    assert plan(7, 30) == plan(7, 30) != plan(8, 30)
    assert schedule(7, 60) == schedule(7, 60) != schedule(8, 60)
    assert all("kill broker" in {fault.kind for fault in schedule(seed, 20)} for seed in range(1, 50))


def test_twenty_seeds_have_every_fault():
    struck = {(fault.kind, fault.target) for seed in range(1, 21) for fault in schedule(seed, 60)}
    assert {kind for kind, _ in struck} == set(WEIGHTS)
    assert {pair for kind in TARGETS for pair in ((kind, target) for target in TARGETS[kind])} <= struck


def test_the_load_has_every_command_that_leaves_something():
    offered = {
        (service, command.message_name)
        for service in SERVICES
        for command in importlib.import_module(f"services.{service}.messages").COMMANDS
        if not issubclass(command, PersonCommand)
    }
    assert set(COMMANDS.values()) == offered
    assert {step.verb for step in plan(1, 300)} == set(WISHES)


@pytest.mark.faults
async def test_what_is_really_stuck_is_told_when_the_patience_is_over(tmp_path: Path):
    async def meanwhile(system: System, sink: Sink) -> None:
        sink.data = lambda _: "451 4.3.0 never"
        await asyncio.to_thread(system.hold, "procurement")
        await owing(system.endpoints()["store"]["supplier"])
        async with Client(system.amqp_url("integrator")) as client:
            await client.send(Subscribe(email="sidst@eksempel.example", topics=("guidance",)))
            await client.send(RegisterSupplier.model_validate(example_data(RegisterSupplier) | {"cvr": "35408002"}))

    run = await recorded(1, 3, tmp_path, [], patience=8, meanwhile=meanwhile)
    stuck = [f"{each.what}: {each.why}" for each in audit(run.ledger) if each.kind == "stuck"]
    assert any("queue procurement.from.supplier" in each for each in stuck), stuck
    assert any("mail confirm-subscription" in each and "is still queued" in each for each in stuck), stuck
    assert any("supplier suppliers planted: still has to tell" in each for each in stuck), stuck
    assert any("the system: procurement: held" in each for each in stuck), stuck


async def owing(url: str) -> None:
    """A document that owes an event which no relay can read."""
    store = connect(url)
    await store.open([SUPPLIERS.collection])
    outbox = [{"id": "planted", "type": "unreadable"}]
    fields = {"version": 1, "cvr": "24256790", "state": "withdrawn", "offerings": []}
    await store.insert(SUPPLIERS.collection, {"_id": "planted", **fields, "outbox": outbox, PENDING: datetime.now(UTC)})
    await store.close()


@pytest.mark.faults
@pytest.mark.timeout(400)
def test_a_minute_of_chaos(tmp_path: Path):
    ran = rummelig("chaos", "--seconds", "60", "--seed", "1", "--json", home=tmp_path, seconds=380)
    told = json.loads(ran.stdout)
    assert (told["ok"], ran.returncode) == (True, 0), told["findings"]
    assert (told["lost"], told["duplicated"], told["stuck"]) == (0, 0, 0)
    assert told["recovery_by_kind"]["kill broker"]["max"] < LIMIT_SECONDS
    assert told["commands"] > 400
    assert told["faults"] >= 5
    assert not list(tmp_path.iterdir())


def test_seeds_are_one_or_a_range():
    assert seeds("7") == [7]
    assert seeds("1..3") == [1, 2, 3]
