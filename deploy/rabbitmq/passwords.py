"""Password hashes as RabbitMQ stores them."""

import hashlib
import json
import secrets
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

SALT_BYTES = 4


def password_hash(password: str, salt: bytes | None = None) -> str:
    """Base64 of salt and SHA-256 over salt and password (`rabbit_password_hashing_sha256`, RabbitMQ "Passwords").

    The salt is random unless given.
    """
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    return b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def with_hashes(definitions: dict[str, Any], passwords: Mapping[str, str]) -> str:
    """RabbitMQ definitions with each user's password hash, salted anew, as a file's text."""
    users = [user | {"password_hash": password_hash(passwords[user["name"]])} for user in definitions["users"]]
    return json.dumps(definitions | {"users": users}, indent=1)
