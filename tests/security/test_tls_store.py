"""TLS to the store: a real TLS server in front of a MongoDB, and what the driver makes of its certificate."""

from urllib.parse import urlsplit

import pytest

from shared.store.connect import connect
from shared.store.errors import StoreError
from shared.store.port import Collection, Put, Store
from tests.support.stores import MongoServer
from tests.support.tls import Certificates, terminating, untrusted

THINGS = Collection("things")


async def opened(server: MongoServer, port: int, query: str) -> Store:
    base = server.database_url()
    database = urlsplit(base).path
    store = connect(f"mongodb://127.0.0.1:{port}{database}?{query}&tls=true&serverSelectionTimeoutMS=1000")
    try:
        await store.open([THINGS])
    except StoreError:
        await store.close()
        raise
    return store


async def test_a_store_works_over_tls(mongo_server: MongoServer, certificates: Certificates):
    port = urlsplit(mongo_server.url).port or 27017
    with terminating(certificates.context(), port) as secure:
        store = await opened(mongo_server, secure, f"tlsCAFile={certificates.ca}")
        await store.put(THINGS, [Put("a", {"version": 1})])
        assert await store.get(THINGS, "a")
        await store.close()


async def test_a_store_that_wants_to_see_a_certificate_sees_one(mongo_server: MongoServer, certificates: Certificates):
    port = urlsplit(mongo_server.url).port or 27017
    with terminating(certificates.context(ask_client=True), port) as secure:
        query = f"tlsCAFile={certificates.ca}"
        with pytest.raises(StoreError):
            await opened(mongo_server, secure, query)
        await (await opened(mongo_server, secure, f"{query}&tlsCertificateKeyFile={certificates.client}")).close()


@untrusted
async def test_a_store_that_cannot_show_who_it_is_gets_nothing(
    mongo_server: MongoServer, certificates: Certificates, certificate: str, authority: str | None, word: str
):
    query = f"tlsCAFile={getattr(certificates, authority)}" if authority else "appname=test"
    port = urlsplit(mongo_server.url).port or 27017
    context = certificates.context(getattr(certificates, certificate))
    with terminating(context, port) as secure, pytest.raises(StoreError, match=word):
        await opened(mongo_server, secure, query)
