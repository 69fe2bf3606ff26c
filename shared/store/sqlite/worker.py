"""The two threads of a store: one writes, many writes to a commit; one reads. Each has its own connection."""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.store.errors import Unavailable

BATCH = 512
"""Jobs to a transaction at most; a bound on how long the first of them waits for the last."""

CHECKPOINT_PAGES = 4000
"""Pages of the log (16 MB) after which they are copied to the file. In a large file each write finds other pages, and
with SQLite's 1000 hardly any of them was written twice before it had to be copied, which the writers wait for."""

BUSY_SECONDS = 5.0
"""How long another process may hold the file before it counts as unavailable."""

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "temp_store=MEMORY",
    "cache_size=-16000",
    f"wal_autocheckpoint={CHECKPOINT_PAGES}",
)


@dataclass
class Job:
    """Something to do with the connection, and who waits for it."""

    act: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        """Do it and keep what comes of it."""
        try:
            self.result = self.act(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, the waiting task gets it
            self.error = error

    def settle(self) -> None:
        """In the loop of the waiting task."""
        if self.future.done():
            return  # the task was cancelled meanwhile
        if self.error is None:
            self.future.set_result(self.result)
        elif type(self.error) in (sqlite3.OperationalError, sqlite3.DatabaseError):
            self.future.set_exception(Unavailable(str(self.error)))
        else:
            self.future.set_exception(self.error)


class Worker(threading.Thread):
    """Takes what is queued, does it in one transaction, and tells all that waited. An idle one starts at once.

    Only the writer's first connection makes the file: a volume that went away later is waited for.
    """

    def __init__(self, path: Path, *, writes: bool) -> None:
        super().__init__(name=f"sqlite-{'write' if writes else 'read'}-{path.name}", daemon=True)
        self._path = path
        self._writes = writes
        self._queue: deque[Job] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)

    async def do[T](self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Run `act` on the thread; when this returns, what it wrote is on the disk."""
        job = Job(act, asyncio.get_running_loop().create_future())
        with self._wake:
            if self._stopping:
                raise Unavailable(f"{self._path} is closed")
            self._queue.append(job)
            self._wake.notify()
        result: T = await job.future
        return result

    def stop(self) -> None:
        """Finish what is queued and end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self.join()

    def run(self) -> None:
        """The thread."""
        while jobs := self._take():
            self._batch(jobs)
            _settle(jobs)
            del jobs  # results must not live until the next batch
        self._disconnect()

    def _take(self) -> list[Job]:
        with self._wake:
            while not self._queue and not self._stopping:
                self._wake.wait()
            return [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]

    def _batch(self, jobs: list[Job]) -> None:
        try:
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE" if self._writes else "BEGIN")
            for job in jobs:
                self._one(connection, job)
            connection.execute("COMMIT")
            if any(isinstance(job.error, sqlite3.Error) for job in jobs):
                self._disconnect()  # a fresh connection may find it mended
        except (sqlite3.Error, OSError) as error:
            self._disconnect()
            for job in jobs:  # those that failed on their own saw what is now undone
                job.error = Unavailable(f"{self._path}: {error}")

    def _one(self, connection: sqlite3.Connection, job: Job) -> None:
        if not self._writes:
            job.run(connection)
            return
        connection.execute("SAVEPOINT job")
        job.run(connection)
        if job.error is not None:
            if not connection.in_transaction:
                raise sqlite3.OperationalError(str(job.error))  # disk full and the like undo everything
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None:
            status = self._path.stat()
            if (status.st_dev, status.st_ino) == self._file:
                return self._connection
            self._disconnect()  # another file has its place: what is written to the old one would be lost
        first = self._writes and self._file == (0, 0)
        if first:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={'rwc' if first else 'rw'}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            cached_statements=512,
        )
        for pragma in PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        status = self._path.stat()
        self._file = (status.st_dev, status.st_ino)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _settle(jobs: list[Job]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        loops.setdefault(job.future.get_loop(), []).append(job)
    for loop, waiting in loops.items():
        try:
            loop.call_soon_threadsafe(_settle_all, waiting)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _settle_all(jobs: list[Job]) -> None:
    for job in jobs:
        job.settle()
