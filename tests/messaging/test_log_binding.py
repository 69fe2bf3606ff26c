"""The log of events is bound again and again until it is; before that no event is sent."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from shared import service as module
from shared.service import Service
from shared.settings import ServiceSettings


@pytest.mark.parametrize("error", [Exception(), TimeoutError(), asyncio.CancelledError()], ids=repr)
async def test_whatever_a_connection_that_breaks_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    """aiormq raises an Exception of no kind where it closed a connection without a reason."""
    answers: list[BaseException | None] = [error, None]

    async def bound(*_: Any) -> None:
        if told := answers.pop(0):
            raise told

    settings = ServiceSettings(amqp_url="amqp://nowhere.example/", store_url=f"sqlite:///{tmp_path}/probe.db")
    service = Service("probe", settings, commands={}, consumes={}, publishes=(), repositories=[])
    monkeypatch.setattr(module, "LOG_PAUSES", (0.0,))
    monkeypatch.setattr(module, "bind_log", bound)
    service._declared.set()
    binding = asyncio.create_task(module._for_ever("log", service._bind_log))
    async with asyncio.timeout(5):
        await service._log_bound.wait()
    binding.cancel()
    assert "log" not in service.extra_reasons
