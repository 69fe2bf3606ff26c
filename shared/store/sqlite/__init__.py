"""SQLite as a store: one file a service, for the embedded default and for tests.

- store.py: SqliteStore, the port
- worker.py: one thread that writes with group commits, one that reads
- schema.py: tables and index tables, made and filled at open
- writing.py: what the writer does to documents; files.py: to files
- planning.py: how queries become ranges of an index table; reading.py: pages, counts, tallies
- keys.py: values as bytes that sort as MongoDB sorts them
- snapshot.py: the file as of one moment
"""

from shared.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
