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
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as file:
            file.execute("VACUUM")
            for _ in range(CHECKPOINTS):
                (busy, *_) = file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return
                time.sleep(PAUSE_SECONDS)
    except sqlite3.Error as error:
        raise Unavailable(f"{path}: {error}") from error
    raise Unavailable(f"{path}: its log cannot be emptied while somebody reads an older state")
