"""`./rummelig bench [names] [--json FILE]`: what the guarantees cost, against bare code that has none."""

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import uvloop
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.bench.bench import Bench, machine
from tests.bench.measuring import Figure
from tests.support.broker import EmbeddedBroker

NAMES = (
    "consume",
    "publish",
    "signup",
    "newsletter",
    "latency",
    "growth",
    "memory",
    "start",
    "scaleout",
)
"""Each is a module here with `async def measure(bench) -> list[Figure]`."""


def main(arguments: Sequence[str]) -> int:
    """The command; 0 when it came to its end, whatever the figures are."""
    parser = argparse.ArgumentParser("rummelig bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], metavar="name", help=f"of {', '.join(NAMES)} (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--store", metavar="URL", help="a MongoDB to measure on, mongodb://… (SQLite)")
    parser.add_argument("--scale", type=float, default=1.0, help="so much of the work, for trying (1)")
    parser.add_argument("--rounds", type=int, default=5, help="each side so often, after one to warm up (5)")
    options = parser.parse_args(arguments)
    try:
        store = _store(options.store)
    except PyMongoError as error:
        parser.error(f"--store: no MongoDB answers there: {error!s:.200}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rummelig-bench-") as folder:
        broker = EmbeddedBroker(Path(folder) / "broker")
        broker.start()
        seen = {**machine(), "rabbitmq": broker.control("version").strip(), "store": store}
        say(", ".join(f"{name} {value}" for name, value in seen.items()))
        try:
            bench = Bench(
                Path(folder), broker, _stores(Path(folder), options.store), say, options.scale, options.rounds
            )
            figures = [f for name in options.names or NAMES for f in uvloop.run(_measured(name, bench))]
        finally:
            broker.stop()
    outcome = {
        "machine": seen,
        "store": "mongodb" if options.store else "sqlite",
        "seconds": round(time.monotonic() - began),
        "figures": [figure.as_dict() for figure in figures],
    }
    for figure in figures:
        print(figure)
    if options.json:
        options.json.write_text(json.dumps(outcome, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


async def _measured(name: str, bench: Bench) -> list[Figure]:
    say(f"{name} …")
    measure: Callable[[Bench], Awaitable[list[Figure]]] = import_module(f"tests.bench.{name}").measure
    figures = await measure(bench)
    for figure in figures:
        say(str(figure))
    return figures


def _store(given: str | None) -> str:
    """Which it is, with its version."""
    if given is None:
        return f"SQLite {sqlite3.sqlite_version}"
    with MongoClient[dict[str, Any]](given, serverSelectionTimeoutMS=5000) as client:
        return f"MongoDB {client.server_info()['version']}"


def _stores(folder: Path, given: str | None) -> Callable[[str], str]:
    """A store's URL from its name."""
    if given is None:
        return lambda name: f"sqlite:///{folder / name}.db"
    base, _, options = given.partition("?")
    server = "/".join(base.split("/")[:3])
    return lambda name: f"{server}/{name}{'?' if options else ''}{options}"


def say(line: str) -> None:
    """Progress."""
    print(f"  {line}", file=sys.stderr, flush=True)
