"""`dead …` as an operator types it, on a real broker and a real service."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from operator import le
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shared.cli import main
from shared.contracts.base import Envelope
from shared.messaging import failing
from shared.messaging.publisher import Outgoing, Publisher
from tests.messaging import probe
from tests.messaging.probe import COUNTERS, Add
from tests.support.running import running, until

ROOT = Path(__file__).parents[2]
MANY = 150


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def add(id: str, counter: str, amount: Any = 1) -> bytes:
    data = {"counter": counter, "amount": amount}
    return Envelope(id=id, source="/test", type=Add.type(), data=data, correlationid="the-action").to_json()


@pytest.fixture
def dead(
    broker: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Awaitable[Ran]]:
    """Runs `dead --service probe …`."""
    monkeypatch.setenv("RUMMELIG_AMQP_URL", broker.url("operator"))

    async def run(*arguments: str) -> Ran:
        capsys.readouterr()  # what the service has logged
        code = await asyncio.to_thread(main, ["dead", "--service", "probe", *arguments])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
async def service(broker: Any, tmp_path: Path):
    async with running(probe, [probe.COUNTERS, probe.SEEN], tmp_path, broker.url("operator")) as found:
        yield found


@pytest.fixture
async def lay_aside(service, broker: Any):
    """Makes dead letters: id -> body. None are left over from others, and none after the test."""
    operator = Publisher(broker.url("operator"), "test")
    channel = await (await operator.connection()).channel()
    queue = await channel.get_queue("probe.dead")
    await queue.purge()

    async def lay(letters: dict[str, bytes], reason: str = "handler-failed") -> None:
        headers = {
            failing.QUEUE: "probe.commands",
            failing.REASON: reason,
            failing.SENDER: "integrator",
            failing.TRACEPARENT: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        }
        sent = [Outgoing("", "probe.dead", body, name, headers=headers) for name, body in letters.items()]
        assert set(await operator.publish_many(sent)) == {None}

    yield lay
    await queue.purge()
    await operator.close()


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """The person's editor from now on: a program that replaces one text by another."""

    def use(old: str, new: str) -> None:
        file = tmp_path / "editor.py"
        change = f"file.write_text(file.read_text().replace({old!r}, {new!r}))"
        file.write_text(f"import pathlib, sys; file = pathlib.Path(sys.argv[1]); {change}")
        monkeypatch.setenv("VISUAL", f"{sys.executable} {file}")

    return use


async def count(service) -> int:
    return len(await totals(service))


async def totals(service) -> dict[str, int]:
    return {d["_id"]: d["total"] async for d in service.store.everything(COUNTERS.collection)}


async def test_list_filters_and_sums_up_and_show_tells_how_to_follow_one(dead, lay_aside):
    await lay_aside({"m1": add("m1", "a"), "m2": add("m2", "b")})
    await lay_aside({"m3": b"{"}, reason="unreadable")
    listed = (await dead("list")).stdout.splitlines()
    assert [line.split() for line in listed[3:]] == [
        ["probe", "handler-failed", "2"],
        ["probe", "unreadable", "1"],
        ["3", "dead", "letters"],
    ]
    (only,) = (await dead("list", "--reason", "unreadable", "--json")).stdout.splitlines()
    assert json.loads(only)["id"] == "m3"
    assert json.loads((await dead("list", "--summary", "--json")).stdout.splitlines()[0])["count"] == 2
    shown = (await dead("show", "m1")).stdout
    assert "correlation: the-action" in shown
    assert "(trace 4bf92f3577b34da6a3ce929d0e0e4736 " in shown
    assert '"counter": "a"' in shown


async def test_one_is_mended_in_the_editor_and_sent(dead, lay_aside, editor, service):
    await lay_aside({"m1": add("m1", "edited", "many")})
    editor('"many"', "7")
    ran = await dead("edit", "m1", "--why", "a number")
    assert ran.returncode == 0
    assert "valid: dk.rummelig.probe.add.v1" in ran.stdout
    await until(partial(totals, service), lambda found: found.get("edited") == 7)
    assert (await dead("list")).stdout == "0 dead letters\n"
    told = json.loads((await dead("audit", "--json")).stdout.splitlines()[-1])
    assert (told["action"], told["message"], told["why"], told["outcome"]) == (
        "replay-edited", "m1", "a number", "done"
    )  # fmt: skip
    assert "operator (" in (await dead("audit")).stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        ('"many"', '"few"', "amount"),
        ('"m1"', '"m2"', "the id must stay m1"),
        ("add.v1", "sing.v1", "no contract"),
        ("probe.add.v1", "probe.added.v1", "does not belong"),
        ('"specversion"', '"specversion', "not valid"),
    ],
)
async def test_what_would_not_work_is_not_sent(dead, lay_aside, editor, wrong):
    old, new, said = wrong
    await lay_aside({"m1": add("m1", "edited", "many")})
    editor(old, new)
    ran = await dead("edit", "m1")
    assert ran.returncode == 2
    assert said in ran.stderr
    assert (await dead("list")).stdout.endswith("1 dead letter\n")


async def test_nothing_changed_is_nothing_sent(dead, lay_aside, editor):
    await lay_aside({"m1": add("m1", "edited", "many")})
    editor("nothing", "of it")
    ran = await dead("edit", "m1")
    assert ran.returncode == 1
    assert (await dead("list")).stdout.endswith("1 dead letter\n")


async def test_of_several_with_one_id_only_a_key_says_which_is_mended(dead, lay_aside, editor, service):
    await lay_aside({"m1": add("m1", "first", "many")})
    await lay_aside({"m1": add("m1", "second", "many")})
    editor('"many"', "7")
    ran = await dead("edit", "m1")
    assert ran.returncode == 2
    key = next(line.split()[0] for line in ran.stderr.splitlines() if line.startswith("  #"))
    assert (await dead("edit", key)).returncode == 0
    await until(partial(totals, service), lambda found: 7 in found.values())
    assert (await dead("drop", "m1", "--why", "the other is right")).stdout.count("dropped") == 1


@pytest.mark.faults
async def test_an_operator_killed_in_the_middle_loses_nothing_and_doubles_nothing(dead, lay_aside, broker, service):
    counters = [f"k{n}" for n in range(MANY)]
    await lay_aside({name: add(name, name) for name in counters}, reason="killed")
    kills = 0
    while len(found := await totals(service)) < MANY - 20:
        replaying = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "shared.cli", "dead", "--service", "probe", "replay", "--reason", "killed"],
            cwd=ROOT,
            env={**os.environ, "RUMMELIG_AMQP_URL": broker.url("operator")},
            stdout=subprocess.DEVNULL,
        )
        some = len(found) + 20
        await until(partial(count, service), partial(le, some))
        if replaying.returncode is None:
            replaying.kill()
            kills += 1
        await replaying.wait()
    assert kills >= 1
    assert (await dead("replay", "--reason", "killed")).returncode in (0, 1)
    assert (await dead("list")).stdout == "0 dead letters\n"
    done = await until(partial(totals, service), lambda now: len(now) == MANY)
    assert done == dict.fromkeys(counters, 1)
    told = [json.loads(line) for line in (await dead("audit", "--json")).stdout.splitlines()]
    outcomes = [each["outcome"] for each in told if each["reason"] == "killed"]
    assert outcomes.count("unknown") <= kills
    assert {each["message"] for each in told if each["reason"] == "killed"} == set(counters)
