import pytest
from httpx import ASGITransport, AsyncClient

from services.events import messages, pages
from services.events.settings import Settings
from services.events.store import REPOSITORIES
from shared.observability.metrics import Metrics
from shared.web.application import application
from tests.events.builders import LINKS
from tests.support.harness import harness


@pytest.fixture
async def rig():
    async with harness(messages, REPOSITORIES, LINKS) as running:
        yield running


@pytest.fixture
async def browser(rig):
    settings = Settings(link_keys="k1:only-for-tests-0123456789", http_burst=1000)
    app = application(settings, Metrics("events"), list, pages.routes(rig.executor, LINKS))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://pages.example") as client:
        yield client
