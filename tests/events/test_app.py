import pytest
from httpx import ASGITransport, AsyncClient
from pydantic import ValidationError

from services.events.app import create
from services.events.settings import Settings


def settings(tmp_path, **changes) -> Settings:
    values = {"store_url": f"sqlite:///{tmp_path}/events.db", "link_keys": "k1:only-for-tests-0123456789"}
    return Settings.model_validate(values | changes)


async def test_pages_ask_for_patience_until_the_store_is_there(tmp_path):
    """The application as it starts, before its store is open."""
    async with AsyncClient(transport=ASGITransport(create(settings(tmp_path))), base_url="http://x.example") as client:
        assert (await client.get("/")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503


async def test_pages_go_on_without_a_broker(tmp_path):
    app = create(settings(tmp_path, amqp_url="amqp://events:events@127.0.0.1:1/"))
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=ASGITransport(app), base_url="http://x.example") as client,
    ):
        while (answer := await client.get("/")).status_code == 503:
            assert "Retry-After" in answer.headers
        assert answer.status_code == 200


def test_keys_to_sign_links_are_required(tmp_path):
    with pytest.raises(ValidationError, match="link_keys"):
        Settings.model_validate({"store_url": f"sqlite:///{tmp_path}/events.db"})
