"""Password hashes as RabbitMQ stores them."""

import hashlib
import secrets
from base64 import b64encode

SALT_BYTES = 4


def password_hash(password: str, salt: bytes | None = None) -> str:
    """Base64 of salt and SHA-256 over salt and password (`rabbit_password_hashing_sha256`, RabbitMQ "Passwords").

    The salt is random unless given.
    """
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    return b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
