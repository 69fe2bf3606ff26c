"""Links in mails: a token says who and until when, and only a holder of the key can make one.

A token is base64url of: key id, expiry, subject, kind and the first 16 bytes of HMAC-SHA256 over these and the
purpose (OWASP ASVS 5.0; 128 bits suffice by NIST SP 800-107 §5.1). It is kept short, because mail programs wrap
lines: 55 characters for a UUID and a two-letter key id. What is signed is not secret: put no personal data into it.

BadLink            made by nobody we know, changed on the way, or made for another purpose
└── ExpiredLink    was good once
"""

import hashlib
import hmac
import re
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime

MAC_BYTES = 16
LONGEST = 1024
"""Characters; a longer token is no token of ours and not worth decoding."""
UUID_SUBJECT = 1
EXPIRES = 2


class BadLink(Exception):
    """The token is not one that was signed for this purpose."""


class ExpiredLink(BadLink):
    """The token was good until `expired`; `subject` may be offered a new one."""

    def __init__(self, subject: str, expired: datetime) -> None:
        super().__init__("the link has expired")
        self.subject = subject
        self.expired = expired


def parse_keys(keys: str) -> dict[str, bytes]:
    """Keys from `kid:secret[,kid:secret]`, in order. A ValueError never repeats a secret."""
    parsed: dict[str, bytes] = {}
    for number, part in enumerate(keys.split(","), start=1):
        kid, colon, secret = part.strip().partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9_-]{1,16}", kid):
            raise ValueError(f"key {number} must be kid:secret, with a kid of up to 16 letters and digits")
        if len(secret) < 16:
            raise ValueError(f"key {number} must have a secret of at least 16 characters")
        if kid in parsed:
            raise ValueError(f"key {number} has the kid of another; every kid may stand once")
        parsed[kid] = secret.encode()
    return parsed


class Signer:
    """Makes and checks tokens. The first key signs, all verify: to rotate, put a new one first, drop the old later."""

    def __init__(self, keys: str) -> None:
        """Keys as `kid:secret[,kid:secret]`; raises ValueError where they are not."""
        # Prepared, and copied for each link: a signature then costs no setting up of its key.
        self._keys = {kid: hmac.new(secret, digestmod=hashlib.sha256) for kid, secret in parse_keys(keys).items()}
        self._kid = next(iter(self._keys))

    def sign(self, purpose: str, subject: str, expires: datetime | None = None) -> str:
        """A token for the subject (an id), good for this purpose until `expires` (to the second; None: for ever)."""
        body = _pack(self._kid, subject, expires)
        # The kind goes last: it is small, so no token ends in `-` or `_`, which some mail programs leave out of a link.
        return urlsafe_b64encode(self._mac(self._kid, purpose, body) + body).rstrip(b"=").decode()

    def verify(self, purpose: str, token: str, now: datetime) -> str:
        """The subject that the token was made for. Raises BadLink, or ExpiredLink from the expiry on."""
        raw = _decode(token)
        mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
        kid, subject, expires = _unpack(body)
        if kid not in self._keys or not hmac.compare_digest(mac, self._mac(kid, purpose, body)):
            raise BadLink("the link is not valid")
        if expires is not None and now >= expires:
            raise ExpiredLink(subject, expires)
        return subject

    def _mac(self, kid: str, purpose: str, body: bytes) -> bytes:
        mac = self._keys[kid].copy()
        mac.update(b"rummelig link 1\0" + purpose.replace("\0", "").encode() + b"\0" + body)
        return mac.digest()[:MAC_BYTES]


def _pack(kid: str, subject: str, expires: datetime | None) -> bytes:
    kind, packed = _pack_subject(subject)
    until = b""
    if expires is not None:
        kind |= EXPIRES
        until = int(expires.astimezone(UTC).timestamp()).to_bytes(5)
    return bytes([len(kid)]) + kid.encode() + until + packed + bytes([kind])


def _pack_subject(subject: str) -> tuple[int, bytes]:
    try:
        packed = uuid.UUID(subject)
    except ValueError:
        return 0, subject.encode()
    return (UUID_SUBJECT, packed.bytes) if str(packed) == subject else (0, subject.encode())


def _unpack(body: bytes) -> tuple[str, str, datetime | None]:
    """Key id, subject and expiry. Whatever was sent in, nothing but BadLink comes out."""
    try:
        kind, kid_end = body[-1], 1 + body[0]
        kid, rest = body[1:kid_end].decode(), body[kid_end:-1]
        expires = None
        if kind & EXPIRES:
            expires, rest = datetime.fromtimestamp(int.from_bytes(rest[:5]), UTC), rest[5:]
        return kid, str(uuid.UUID(bytes=rest)) if kind & UUID_SUBJECT else rest.decode(), expires
    except (IndexError, ValueError, OverflowError, OSError):
        raise BadLink("the link is not valid") from None


def _decode(token: str) -> bytes:
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4)) if len(token) <= LONGEST else b""
    except ValueError:
        raw = b""
    # Decoders overlook foreign characters and stray bits: only the one spelling that we write counts.
    if not raw or urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        raise BadLink("the link is not valid")
    return raw
