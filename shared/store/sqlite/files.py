"""Files as rows: a write replaces the row, whole."""

import sqlite3

from shared.store.codec import dumps, loads
from shared.store.port import Document
from shared.store.values import clean_metadata


def text(metadata: Document) -> str:
    """Metadata as they are kept."""
    return dumps(clean_metadata(metadata))


def write(connection: sqlite3.Connection, name: str, content: bytes, metadata: str) -> None:
    """Keep or replace a file."""
    connection.execute("REPLACE INTO files VALUES (?, ?, ?)", (name, content, metadata))


def read(connection: sqlite3.Connection, name: str) -> tuple[bytes, Document] | None:
    """Content and metadata."""
    found = connection.execute("SELECT content, metadata FROM files WHERE name = ?", (name,)).fetchone()
    return found and (found[0], loads(found[1]))


def delete(connection: sqlite3.Connection, name: str) -> bool:
    """Remove a file; whether it was there."""
    return connection.execute("DELETE FROM files WHERE name = ?", (name,)).rowcount > 0
