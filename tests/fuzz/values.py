"""What hurried people, broken programs and attackers put into fields: the raw material of the fuzzers."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

PRODUCT = str(7741027 * 1379999)
"""What a template engine makes of the expressions below: it must stand in no mail and on no page. So
long that no figure of a metric is it by chance."""

TEMPLATES = (
    "{{ 7741027*1379999 }}",
    "{% print(7741027*1379999) %}",
    "{{ ''.__class__.__mro__ }}",
    "${7741027*1379999}",
    "#{7741027*1379999}",
    "<%= 7741027*1379999 %>",
    "{{= 7741027*1379999 }}",
    "%(7741027*1379999)s {0.__class__} %n%s%x",
    "{{ config }}{{ self }}{# comment #}",
)
OTHER_RECIPIENT = "mallory@attack.example"
"""Stands only behind line breaks, commas and the like: no mail may ever go there."""
INJECTED = "X-Injected"

ADDRESSES = (
    f"asta@forening.example\r\nBcc: {OTHER_RECIPIENT}",
    f"asta@forening.example\n{INJECTED}: yes",
    f"asta@forening.example, {OTHER_RECIPIENT}",
    f"asta@forening.example;{OTHER_RECIPIENT}",
    f"Asta <asta@forening.example>, <{OTHER_RECIPIENT}>",
    f"asta@forening.example>\r\nRCPT TO:<{OTHER_RECIPIENT}",
    f"asta@forening.example%0ABcc:{OTHER_RECIPIENT}",
    f'"asta\\" {OTHER_RECIPIENT}"@forening.example',
    f"=?utf-8?q?asta?= <{OTHER_RECIPIENT}>",
    "asta@@forening.example",
    "@forening.example",
    "asta@",
    "asta@[127.0.0.1]",
    "asta@localhost",
    f"{'a' * 65}@forening.example",
    f"asta@{'b' * 250}.example",
    "asta@forening.example\u202e",
    "asta@forening\u3002example\x00",
)
LINES = (
    f"Rummelig\r\n{INJECTED}: yes\r\n\r\n<b>another mail</b>",
    "\x00",
    "\x1b[2J\x1b[1;1H",
    "\u202egnp.exe",
    "\u200b\u200b",
    "   ",
    "",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE suppliers; --",
    '{"$gt": ""}',
    "$where",
    "../../../../etc/passwd",
    "javascript:alert(1)",
    "END:VCALENDAR\r\nBEGIN:VEVENT",
    "\\r\\nBEGIN:VALARM\\nACTION:PROCEDURE",
    "ÆØÅ æøå é ü \U0001f600 \U000e0001",
    "e\u0301" * 150,
    "ﷺ" * 200,
    "a" * 201,
    "[x](javascript:alert(1)) ![](http://attack.example/beacon)",
    "\ufeffbom",
    "nul\u0000inside",
)
PERSON_NUMBERS = ("010190-1234", "0101901234", "01 01 90-1234", "311299–4321", "ref 150685 2222 tak")
NUMBERS: tuple[Any, ...] = (
    0,
    -1,
    2**31,
    2**53 + 1,
    2**63,
    -(2**63) - 1,
    10**400,
    1e308,
    1e-320,
    -0.0,
    0.1,
    float("inf"),
    float("-inf"),
    float("nan"),
)
SHAPES: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    {"$ne": None},
    {"__proto__": {"x": 1}},
    ["a"] * 1000,
    [None],
)


def texts() -> tuple[str, ...]:
    """Every hostile text."""
    return (*TEMPLATES, *ADDRESSES, *LINES, *PERSON_NUMBERS)


def anything(chance: random.Random) -> Any:
    """One hostile value of any kind."""
    return chance.choice(chance.choice([texts(), NUMBERS, SHAPES]))


def nested(depth: int, opening: str = '{"a":', closing: str = "}") -> str:
    """JSON that many levels deep."""
    return opening * depth + "1" + closing * depth


def paths(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in JSON data."""
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in children:
        yield (*path, key)
        yield from paths(value, (*path, key))


def changed(data: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """The same data with one value changed."""
    copy = json.loads(json.dumps(data))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = change(place[path[-1]])
    return copy
