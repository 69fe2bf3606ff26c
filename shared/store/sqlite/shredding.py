"""Writes a file anew: what was deleted or replaced stands in free pages, and in the log, until then."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from shared.store.errors import Unavailable

BUSY_SECONDS = 60.0
CHECKPOINTS, PAUSE_SECONDS = 50, 0.1
"""How often, and how far apart, it is tried to empty the log, which a long look at an older state prevents."""


def shred(path: Path) -> None:
    """Blocks writers while it copies. Unavailable where others do not let go of the file."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as file:
            # Before it too: while it cannot be emptied, each try would make the log longer by the whole file.
            _empty_log(path, file)
            _wait_at_most(file, BUSY_SECONDS)
            file.execute("VACUUM")
            _empty_log(path, file)
    except sqlite3.Error as error:
        raise Unavailable(f"{path}: {error}") from error


def _empty_log(path: Path, file: sqlite3.Connection) -> None:
    _wait_at_most(file, PAUSE_SECONDS)  # it keeps writers out while it waits for readers
    for _ in range(CHECKPOINTS):
        (busy, *_) = file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            return
        time.sleep(PAUSE_SECONDS)
    raise Unavailable(f"{path}: its log cannot be emptied while somebody reads an older state")


def _wait_at_most(file: sqlite3.Connection, seconds: float) -> None:
    file.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
