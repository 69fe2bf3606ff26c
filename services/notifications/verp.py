"""Return addresses that tell which delivery came back (VERP), and that nobody but us can make.

`bounce+<delivery><mac>@domain` in base32: mail servers may change the case of what stands before the @, and take no
more than 64 characters there (RFC 5321 §4.5.3.1.1).
"""

import hashlib
import hmac
import uuid
from base64 import b32decode, b32encode

PREFIX = "bounce+"
MAC_BYTES = 10


def return_address(delivery_id: str, domain: str, key: bytes) -> str:
    """The envelope sender of a delivery, whose id is a UUID."""
    id_bytes = uuid.UUID(delivery_id).bytes
    token = b32encode(id_bytes + _mac(id_bytes, key)).rstrip(b"=").decode().lower()
    return f"{PREFIX}{token}@{domain}"


def delivery_of(address: str, key: bytes) -> str | None:
    """The delivery that a return address was made for; None where we did not make it."""
    local = address.rpartition("@")[0].lower()
    if not local.startswith(PREFIX):
        return None
    token = local.removeprefix(PREFIX).upper()
    try:
        raw = b32decode(token + "=" * (-len(token) % 8))
    except ValueError:
        return None
    id_bytes, mac = raw[:16], raw[16:]
    if len(id_bytes) != 16 or not hmac.compare_digest(mac, _mac(id_bytes, key)):
        return None
    return str(uuid.UUID(bytes=id_bytes))


def _mac(id_bytes: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"rummelig bounce 1\0" + id_bytes, hashlib.sha256)[:MAC_BYTES]
