"""The figures of docs/scaling.md can be had again: the command measures what the document names."""

from pathlib import Path

import pytest

from tests.bench.throughput import measured


@pytest.mark.faults
async def test_figures_are_measured(tmp_path: Path):
    figures = await measured(tmp_path, commands=20, letters=20)
    assert all(figures[name] > 0 for name in figures if name.endswith(("_event", "_events", "_a_second")))
    assert {"events.signups", "notifications.deliveries"} <= set(figures["bytes_a_document"])
    assert set(figures["memory_mb"]) >= {"events", "notifications"}
