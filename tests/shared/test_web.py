import re
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from pydantic_settings import SettingsConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from shared.observability.metrics import Metrics
from shared.settings import ServiceSettings
from shared.store.errors import Unavailable
from shared.web.application import application
from shared.web.links import Signer
from shared.web.pages import STYLE, Pages
from shared.web.rates import Buckets, Clients


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TRYOUT_")


async def echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def fail(request: Request) -> Response:
    raise {"away": Unavailable("no"), "gone": HTTPException(410), "broken": RuntimeError("anna@kunde.example")}[
        request.path_params["how"]
    ]


async def half(_: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError

    return StreamingResponse(pieces(), headers={"Cache-Control": "max-age=60"})


ROUTES = [
    Route("/echo", echo, methods=["GET", "POST"]),
    Route("/fail/{how}", fail),
    Route("/half", half),
    Route("/n/{token}", echo),
]


def client(reasons=(), **settings) -> httpx.AsyncClient:
    app = application(Settings(**settings), Metrics("tryout"), lambda: list(reasons), ROUTES)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=("192.0.2.7", 1)), base_url="http://tryout")


async def test_health():
    async with client() as http:
        assert (await http.get("/livez")).json() == {"alive": True}
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": []})
        metrics = await http.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    assert b'rummelig_service_info{service="tryout"} 1.0' in metrics.content


async def test_not_ready_says_why():
    async with client(["store: away"]) as http:
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()) == (503, {"ready": False, "reasons": ["store: away"]})
        assert (await http.get("/livez")).status_code == 200


async def test_what_a_driver_says_shows_no_secret():
    async with client([f"store: mongodb://u:hemmelig@store/x and anna@kunde.example {'x' * 5000}"]) as http:
        said = (await http.get("/readyz")).text
    assert "hemmelig" not in said
    assert "anna" not in said
    assert len(said) < 400


@pytest.mark.parametrize("path", ["/echo", "/none", "/fail/broken", "/readyz"])
async def test_every_answer_keeps_browsers_strict(path):
    async with client() as http:
        headers = (await http.get(path)).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers


async def test_https_is_kept_where_the_public_address_has_it():
    async with client(public_url="https://rummelig.example") as http:
        assert "max-age" in (await http.get("/echo")).headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/none", 404), ("DELETE", "/echo", 405), ("GET", "/fail/away", 503), ("GET", "/fail/broken", 500)],
)
async def test_error_pages_speak_both_languages_and_tell_nothing_from_within(method, path, status):
    async with client() as http:
        danish = await http.request(method, path)
        english = await http.request(method, path + "?lang=en")
    assert danish.status_code == english.status_code == status
    assert '<html lang="da">' in danish.text
    assert '<html lang="en">' in english.text
    assert danish.headers["content-language"] == "da"
    assert danish.text.count("<h1>") == 1
    for inside in ("Traceback", "RuntimeError", "kunde.example", "starlette"):
        assert inside not in danish.text


async def test_what_a_page_does_not_catch_is_logged_once_with_its_correlation_id():
    with capture_logs() as records:
        async with client() as http:
            await http.get("/fail/broken")
    assert [record["event"] for record in records] == ["page_failed", "page"]
    assert (records[1]["path"], records[1]["status"]) == ("/fail/broken", 500)


async def test_an_unknown_status_has_a_page_too():
    async with client() as http:
        gone = await http.get("/fail/gone")
    assert (gone.status_code, gone.text.count("<h1>")) == (410, 1)


async def test_half_a_page_ends_the_connection():
    async with client() as http:
        with pytest.raises(RuntimeError):
            await http.get("/half")


async def test_health_is_not_logged_and_pages_are():
    with capture_logs() as records:
        async with client() as http:
            for path in ("/livez", "/readyz", "/metrics", "/echo"):
                await http.get(path)
    assert [record["path"] for record in records] == ["/echo"]


async def test_a_body_may_have_its_size_and_not_more():
    async with client(http_body_bytes=100) as http:
        assert (await http.post("/echo", content=b"x" * 100)).text == "100"
        large = await http.post("/echo", content=b"x" * 101)
    assert (large.status_code, large.headers["connection"]) == (413, "close")


async def test_a_body_of_unknown_length_is_counted():
    async def pieces(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 10

    async with client(http_body_bytes=100) as http:
        assert (await http.post("/echo", content=pieces(10))).text == "100"
        assert (await http.post("/echo", content=pieces(11))).status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "many", "9" * 5000])
async def test_an_odd_length_is_refused(length):
    async with client() as http:
        assert (await http.post("/echo", headers={"Content-Length": length})).status_code == 413


async def test_who_asks_too_fast_is_told_when_to_come_back():
    async with client(http_burst=3, http_rate=6) as http:
        assert [(await http.get("/echo")).status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = await http.get("/echo?lang=en")
        assert "Wait a moment" in refused.text
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert (await http.get("/livez")).status_code == 200


def test_tokens_flow_back_with_time():
    now = [0.0]
    buckets = Buckets(60, 2, clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1]
    assert buckets.take("b") == 0
    now[0] = 0.5
    assert buckets.take("a") == 1
    now[0] = 1.0
    assert buckets.take("a") == 0
    now[0] = 1000.0
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1]


def test_many_clients_do_not_fill_the_memory():
    buckets = Buckets(60, 1, most=10)
    for number in range(1000):
        buckets.take(f"192.0.2.{number}")
    assert len(buckets) == 10


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["203.0.113.9"], "192.0.2.7"),  # not from a proxy of ours: anybody can write that
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),  # the client wrote the first itself
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", [], "2001:db8:1:2::/64"),
    ],
)
def test_the_client_behind_a_proxy(peer, forwarded, client):
    scope = {"type": "http", "client": (peer, 1), "headers": [(b"x-forwarded-for", f.encode()) for f in forwarded]}
    assert Clients([ip_network("10.0.0.0/8")]).of(scope) == client


def test_a_client_without_an_address():
    assert Clients().of({"type": "http", "client": None, "headers": []}) == "local"


def request(query: str = "", method: str = "GET") -> Request:
    return Request({"type": "http", "method": method, "query_string": query.encode(), "headers": [], "path": "/"})


TEMPLATE = """{% extends "base.html" %}{% block title %}{{ t("Hej", "Hello") }} {{ name }}{% endblock %}"""


def page(tmp_path: Path, asked: Request, **values) -> str:
    (tmp_path / "hello.html").write_text(TEMPLATE)
    return bytes(Pages(tmp_path).render(asked, "hello.html", **values).body).decode()


def test_a_page_has_the_language_that_is_asked_for_else_its_own(tmp_path):
    assert "<h1>Hej A</h1>" in page(tmp_path, request(), name="A")
    assert "<h1>Hello A</h1>" in page(tmp_path, request("lang=en"), name="A")
    assert "<h1>Hello A</h1>" in page(tmp_path, request(), name="A", language="en")
    assert "<h1>Hej A</h1>" in page(tmp_path, request("lang=da"), name="A", language="en")
    assert "<h1>Hej A</h1>" in page(tmp_path, request("lang=xx&lang"), name="A")


def test_the_other_language_is_one_link_away(tmp_path):
    token = Signer("k1:an-invented-secret-of-length").sign("confirm", "a")
    assert f'href="?t={token}&amp;lang=en"' in page(tmp_path, request(f"t={token}"), name="A")
    assert 'href="?x=%22%3E&amp;lang=da"' in page(tmp_path, request('x=">&lang=en'), name="A")
    assert "hreflang" not in page(tmp_path, request(method="POST"), name="A")


def test_values_are_escaped_and_none_may_be_missing(tmp_path):
    assert "<h1>Hej &lt;b&gt;</h1>" in page(tmp_path, request(), name="<b>")
    with pytest.raises(Exception, match="'name' is undefined"):
        page(tmp_path, request())


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    full = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
    parts = [int(full[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL), ids=["light", "dark"])
def test_texts_have_the_contrast_that_people_need(scheme):
    colours = dict(re.findall(r"--([\w-]+): #(\w+)", scheme))
    for ground in ("ground", "paper"):
        for text in ("ink", "soft", "strong", "bad-line"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        assert contrast(colours["focus"], colours[ground]) >= 3
    assert contrast(colours["on-strong"], colours["strong"]) >= 4.5
    for note in ("good", "bad"):
        assert contrast(colours["ink"], colours[note]) >= 4.5
