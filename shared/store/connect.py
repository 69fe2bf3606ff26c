"""From a URL to a store."""

from shared.store.port import Store


def connect(url: str) -> Store:
    """The store behind `sqlite:///<file>` or `mongodb://…/<database>`; drivers are imported only where needed."""
    if url.startswith("sqlite:///"):
        from shared.store.sqlite import SqliteStore  # noqa: PLC0415

        return SqliteStore(url.removeprefix("sqlite:///"))
    if url.startswith(("mongodb://", "mongodb+srv://")):
        from shared.store.mongo import MongoStore  # noqa: PLC0415

        return MongoStore(url)
    scheme, _, _ = url.partition(":")
    raise ValueError(f"{scheme!r} is no known store: sqlite:///<file> or mongodb://<host>/<database>")
