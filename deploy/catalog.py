"""Which services there are and what each takes and tells: found in services/*/messages.py, listed nowhere else."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.contracts.base import Command, Event
from shared.messaging.executor import Handler

SERVICES = Path(__file__).parent.parent / "services"


@dataclass(frozen=True)
class Tables:
    """The three tables of a messages.py."""

    commands: Mapping[type[Command], Handler]
    consumes: Mapping[type[Event], Handler]
    publishes: Sequence[type[Event]]


def service_names() -> list[str]:
    """The folders that hold a service."""
    return sorted(path.parent.name for path in SERVICES.glob("*/messages.py"))


def service_tables() -> dict[str, Tables]:
    """Name -> tables of every service."""
    modules = {name: importlib.import_module(f"services.{name}.messages") for name in service_names()}
    return {name: Tables(m.COMMANDS, m.CONSUMES, m.PUBLISHES) for name, m in modules.items()}
