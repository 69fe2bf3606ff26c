"""Tells on stdout when documents come into SQLite files: `<file's name> <id> <time.monotonic()>`, a line for each.

    python -m tests.bench.watching <table> <file> [<file> …]

A process of its own, so that nobody who is measured waits for it. It looks every half millisecond.
"""

import sqlite3
import sys
import time
from pathlib import Path

PAUSE = 0.0005


def main() -> None:
    """Until it is killed."""
    table, *files = sys.argv[1:]
    watched = {Path(file).stem: sqlite3.connect(f"file:{file}?mode=ro", uri=True) for file in files}
    seen = dict.fromkeys(watched, 0)
    while True:
        for name, file in watched.items():
            sql = f'SELECT row, _id FROM "{table}" WHERE row > ? ORDER BY row'
            for row, found in file.execute(sql, (seen[name],)).fetchall():
                seen[name] = row
                print(name, found, time.monotonic(), flush=True)
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
