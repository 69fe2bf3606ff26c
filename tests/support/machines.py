"""Stateful tests over a service's handlers and a real store: hypothesis chooses the steps, a model knows the answer."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from shared.store.repository import Repository
from tests.support.harness import Harness, harness


class ServiceMachine(RuleBasedStateMachine):
    """Subclasses give the service's messages and repositories; their rules call `self.go(self.rig.send(…))`."""

    def __init__(self, messages: ModuleType, repositories: Sequence[Repository[Any]]) -> None:
        super().__init__()
        self._loop = asyncio.Runner()
        self._opened: AbstractAsyncContextManager[Harness] = harness(messages, repositories)
        self.rig = self.go(self._opened.__aenter__())

    def go[T](self, step: Coroutine[Any, Any, T]) -> T:
        """Run to the end."""
        return self._loop.run(step)

    def teardown(self) -> None:
        self.go(self._opened.__aexit__(None, None, None))
        self._loop.close()
