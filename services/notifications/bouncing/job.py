"""The background job that reads the Maildir of what came back."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from services.notifications.bouncing.recording import record_bounce
from services.notifications.bouncing.report import Report, read_report
from services.notifications.context import Context
from services.notifications.settings import Settings
from shared.messaging.executor import Executor
from shared.service import Service

log = structlog.get_logger()

LOOK_SECONDS = 10.0
MOST_BYTES = 1_000_000
"""A report stands in front of the mail that it brings back: of a longer one only the beginning is read."""

type Told = Callable[[str, str], None]


async def read_bounces(service: Service) -> None:
    """Look every few seconds, for ever; nothing to do where no Maildir is set."""
    settings, context = service.settings, service.executor.context
    assert isinstance(settings, Settings)  # noqa: S101 - app.py gave it
    assert isinstance(context, Context)  # noqa: S101
    while True:
        if settings.bounce_maildir is not None:
            await read_maildir(settings.bounce_maildir, service.executor, context.address_key, service.metrics.mail)
        await asyncio.sleep(LOOK_SECONDS)


async def read_maildir(folder: Path, executor: Executor, key: bytes, told: Told) -> None:
    """Read what lies there, and delete what was read. Several may do so at once: each report counts once."""
    for file in await asyncio.to_thread(_waiting, folder):
        raw = await asyncio.to_thread(_begin_of, file)
        if raw is None:
            continue  # somebody else was faster
        report = _understood(raw, key)
        outcome = await record_bounce(executor, report) if report else "unread"
        if outcome == "early":
            continue
        await asyncio.to_thread(file.unlink, missing_ok=True)
        told("bounce", f"{report.bounce}-{outcome}" if report else outcome)
        log.info("bounce", outcome=outcome, mail_id=report and report.mail_id, status=report and report.status)


def _waiting(folder: Path) -> list[Path]:
    return sorted(path for name in ("new", "cur") for path in (folder / name).glob("*") if path.is_file())


def _begin_of(file: Path) -> bytes | None:
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES)
    except FileNotFoundError:
        return None


def _understood(raw: bytes, key: bytes) -> Report | None:
    try:
        return read_report(raw, key)
    except Exception as error:  # noqa: BLE001 - strangers write these: one that no parser stands keeps no others waiting
        log.warning("bounce_unreadable", error=type(error).__name__)
        return None
