"""Takes personal data and secrets out of what is logged. Errs on the side of masking too much."""

import dataclasses
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import BaseModel

MASK = "***"
LONGEST = 8_000
"""Characters of one value that are kept."""
DEEPEST = 6
WIDEST = 50
"""Entries of one list or mapping that are kept."""

PERSONAL = {
    *("address", "city", "contact", "cpr", "person", "phone", "postcode", "street", "telephone"),
    *("name", "names", "first_name", "last_name", "full_name", "user_name", "username", "sender_name"),
    *("email", "emails", "from", "to", "cc", "bcc", "rcpt", "recipient", "recipients", "reply_to", "mail_from"),
    *("attendee", "participant", "organisation", "organization", "body", "html", "text"),
}
SECRET = {"authorization", "cookie", "credentials", "password", "secret", "set_cookie", "signature", "token"}
ENDINGS = ("_email", "_phone", "_cpr", "_password", "_secret", "_token", "_person", "_recipient")

USERINFO = re.compile(r"(?<=://)[^/\s@]{1,512}@")
# The local part may hold another address (`bounce+anna=kunde.example@…`), so all of it goes; only the domain stays.
QUOTED_LOCAL = re.compile(r'"[^"\n]{1,128}"(?=@)')
ADDRESS = re.compile(r"[^\s@<>\"',;:()\[\]{}/?&]{1,128}(?:@|%40)(?=[^\s@])", re.IGNORECASE)
DISPLAY_NAME = re.compile(r"(?:\"[^\"\n]{1,128}\"\s?|(?:[^\W\d_][\w.'’-]{0,40}\s){1,5})(?=<[^\s<>]{1,128}(?:@|%40))")
# A day, a month, a year and four digits, apart or not; a replacement number adds 60 to the day. Not inside a hash.
CPR = re.compile(
    r"(?<![\dA-Fa-f])(?:0[1-9]|[12]\d|3[01]|6[1-9]|[78]\d|9[01])(?:0[1-9]|1[0-2])\d{2}\s?[-\u2010-\u2015\u2212]?\s?\d{4}(?![\dA-Fa-f])"
)
# A token of a link (shared.web.links) is long and mixes capitals and small letters, which no id of ours does.
TOKEN = re.compile(r"(?<=[/=])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[A-Za-z0-9_-]{24,}")
PARAMETER = re.compile(r"(?<=[?&;])((?:t|k|key|token|code|sig|signature|secret|password|email|name)=)[^&;#\s]+")


def mask_text(text: str) -> str:
    """The text without e-mail addresses (the domain stays), CPR numbers, passwords in URLs and tokens of links."""
    cut = text[: 2 * LONGEST]
    if "://" in cut:
        cut = USERINFO.sub(MASK + "@", cut)
    if "@" in cut or "%40" in cut:
        cut = ADDRESS.sub(MASK + "@", QUOTED_LOCAL.sub(MASK, DISPLAY_NAME.sub(MASK + " ", cut)))
    cut = PARAMETER.sub(r"\1" + MASK, TOKEN.sub(MASK, CPR.sub(MASK, cut)))
    return cut if len(text) <= LONGEST else f"{cut[:LONGEST]}… ({len(text)} characters)"


def mask(value: Any, key: str = "", depth: int = 0) -> Any:
    """The value as JSON-like data with everything personal masked: what stands under a personal key, in any depth,
    and what looks personal in any text.
    """
    if is_private(key) and value is not None and not isinstance(value, bool):
        return _hidden(value)
    if isinstance(value, str):
        return mask_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= DEEPEST:
        return "…"
    return _masked_inside(value, depth + 1)


def is_private(key: str) -> bool:
    """Whether values under this key are personal or secret."""
    plain = key.lower().replace("-", "_")
    return plain in PERSONAL or plain in SECRET or plain.endswith(ENDINGS)


def _hidden(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    domain = re.fullmatch(r"[^@]+@([\w.-]+\.[\w-]+)", text)
    return f"{MASK}@{domain[1]}" if domain else MASK


def _masked_inside(value: Any, depth: int) -> Any:
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {mask_text(str(k)): mask(v, str(k), depth) for k, v in list(value.items())[:WIDEST]}
    if isinstance(value, list | tuple | AbstractSet):
        return [mask(each, "", depth) for each in list(value)[:WIDEST]]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, type) or callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    return mask_text(str(value))
