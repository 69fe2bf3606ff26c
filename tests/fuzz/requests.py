"""Malformed and hostile HTTP requests, as bytes on the wire."""

import random
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote

from tests.fuzz.values import texts

METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND", "X" * 100, "")
FORM = "application/x-www-form-urlencoded"


def hostile(seed: int, count: int, paths: Sequence[str]) -> Iterator[bytes]:
    """So many requests to these pages, the same for a seed."""
    chance = random.Random(seed)
    for _ in range(count):
        yield chance.choice(KINDS)(chance, chance.choice(paths))


def request(
    method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"", version: str = "HTTP/1.1"
) -> bytes:
    """A request whose connection ends with its answer."""
    head = [f"{method} {target} {version}", "Host: rummelig.example", "Connection: close"]
    head += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*head, "", ""]).encode("latin-1", "replace") + body


def form(target: str, body: bytes, kind: str = FORM) -> bytes:
    """A form that is sent in."""
    return request("POST", target, [("Content-Type", kind), ("Content-Length", str(len(body)))], body)


def _garbage(chance: random.Random, _: str) -> bytes:
    return chance.randbytes(chance.randint(1, 3000)) + b"\r\n\r\n"


def _methods(chance: random.Random, path: str) -> bytes:
    return request(chance.choice(METHODS), path, version=chance.choice(["HTTP/1.1", "HTTP/1.0", "HTTP/9.9", "SMTP"]))


def _targets(chance: random.Random, path: str) -> bytes:
    text = chance.choice(texts())
    wrong = [
        path + quote(text, safe=""),
        path + "?" + quote(text, safe="=&"),
        path + "/../../../etc/passwd",
        path + "/%2e%2e/%2e%2e/etc/passwd",
        path + "%00",
        path + "%ff%fe",
        path + "%",
        path + "?lang=en&lang=xx&" + "a=1&" * 200,
        path + "?" + "x" * 20_000,
        "//attack.example" + path,
        "http://attack.example" + path,
        "*",
        path + "a" * 60_000,
    ]
    return request("GET", chance.choice(wrong))


def _headers(chance: random.Random, path: str) -> bytes:
    text = chance.choice(texts()).replace("\n", " ").replace("\r", " ")
    wrong: list[tuple[str, str]] = [
        ("X-Forwarded-For", text),
        ("Accept-Language", text),
        ("Cookie", "a=" + "b" * 30_000),
        ("Content-Length", "-1"),
        ("Content-Length", "9" * 40),
        ("Content-Length", "abc"),
        ("Transfer-Encoding", "gzip, chunked"),
        ("Host", "attack.example"),
        ("Range", "bytes=0-,-1,5-2"),
        ("If-Modified-Since", text),
        ("traceparent", text),
        ("Upgrade", "websocket"),
        ("Expect", "100-continue"),
        ("User-Agent", text * 20),
        ("Bad Name", text),
    ]
    chosen = [chance.choice(wrong) for _ in range(chance.randint(1, 4))]
    many = [(f"X-{n}", "y") for n in range(300)] if chance.random() < 0.1 else []
    return request(chance.choice(["GET", "POST"]), path, [*chosen, *many])


def _forms(chance: random.Random, path: str) -> bytes:
    fields = ["name", "email", "attendance", "topics", "scope", "x"]
    pairs = [
        f"{chance.choice(fields)}={quote(chance.choice(texts()), errors='replace')}"
        for _ in range(chance.randint(0, 8))
    ]
    return form(path, "&".join(pairs).encode())


def _right_but_one(chance: random.Random, path: str) -> bytes:
    right = {"name": "Asta Eksempel", "email": "asta@forening.example", "attendance": "on-site", "topics": "newsletter"}
    right[chance.choice(sorted(right))] = chance.choice(texts())
    return form(path, "&".join(f"{k}={quote(v, errors='replace')}" for k, v in right.items()).encode())


def _bodies(chance: random.Random, path: str) -> bytes:
    boundary = "multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\nasta@forening.example\r\n'
    file = b'--x\r\nContent-Disposition: form-data; name="email"; filename="../../x"\r\n\r\nMZ\r\n'
    wrong = [
        form(path, b"email=%ff%fe&name=%zz&topics=%"),
        form(path, b"=&&==&;"),
        form(path, b"email=" + b"a" * 200_000),
        form(path, b"&".join(b"f%d=1" % n for n in range(5000))),
        form(path, part, boundary),
        form(path, part * 500 + b"--x--\r\n", boundary),
        form(path, file + b"--x--\r\n", boundary),
        form(path, part + b"--x--\r\n", "multipart/form-data"),
        form(path, part, "multipart/form-data; boundary="),
        form(path, b'{"email": {"$ne": null}}', "application/json"),
        form(path, chance.randbytes(500), chance.choice([FORM, boundary, "text/xml", "\x01"])),
        form(path, b"email=asta@forening.example", f"{FORM}; charset=utf-7"),
        form(path, b"email=asta@forening.example", f"{FORM}; charset=no-such"),
    ]
    return chance.choice(wrong)


def _chunks(chance: random.Random, path: str) -> bytes:
    kind = [("Content-Type", FORM), ("Transfer-Encoding", "chunked")]
    wrong = [
        b"5\r\nemail\r\n0\r\n\r\n",
        b"zz\r\nemail\r\n0\r\n\r\n",
        b"-5\r\nemail\r\n0\r\n\r\n",
        b"FFFFFFFFFFFFFFFFFF\r\nx",
        b"5;" + b"x" * 20_000 + b"\r\nemail\r\n0\r\n\r\n",
        (b"1000\r\n" + b"a" * 4096 + b"\r\n") * 300 + b"0\r\n\r\n",
    ]
    both = [*kind, ("Content-Length", "3")] if chance.random() < 0.3 else kind
    return request("POST", path, both, chance.choice(wrong))


def _unfinished(chance: random.Random, path: str) -> bytes:
    whole = form(path, b"email=asta@forening.example&topics=newsletter")
    return whole[: chance.randrange(1, len(whole))]


KINDS: tuple[Callable[[random.Random, str], bytes], ...] = (
    _garbage,
    _methods,
    _targets,
    _headers,
    _forms,
    _right_but_one,
    _bodies,
    _chunks,
    _unfinished,
)
