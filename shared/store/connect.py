"""From a URL to a store."""

from shared.store.port import Store


def connect(url: str) -> Store:
    """The store behind `sqlite:///<file>` or `mongodb://…/<database>`; drivers are imported only where needed."""
    if url.startswith("sqlite:///"):
        from shared.store.sqlite import SqliteStore

        return SqliteStore(url.removeprefix("sqlite:///"))
    if url.startswith(("mongodb://", "mongodb+srv://")):
        from shared.store.mongo import MongoStore

        return MongoStore(url)
    raise ValueError(f"{url.split(':', maxsplit=1)[0]!r} is no known store: sqlite:///<file> or mongodb://<host>/<database>")
