"""The secrets of one installation: made once, at random, and kept in one file that only `init` sees."""

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

OTHERS = ("integrator", "operator")
"""Broker users that are no service."""

FURTHER = ("address_key",)
"""What else every service needs; each is a setting, and its value may never change."""


@dataclass
class Credentials:
    """User or service -> secret. Passwords are hexadecimal, so that they stand in URLs and scripts as they are."""

    amqp: dict[str, str] = field(default_factory=dict)
    store: dict[str, str] = field(default_factory=dict)
    store_root: dict[str, str] = field(default_factory=dict)
    link_keys: dict[str, str] = field(default_factory=dict)
    further: dict[str, str] = field(default_factory=dict)
    """<service>/<setting> -> secret."""

    def complete(self, users: Sequence[str]) -> list[str]:
        """Make what is missing for these broker users; what is there stays. Returns the users that got something."""
        services = [user for user in users if user not in OTHERS]
        further = [f"{service}/{setting}" for service in services for setting in FURTHER]
        common = ((self.amqp, users), (self.store, services), (self.store_root, services), (self.link_keys, services))
        wanted = (*common, (self.further, further))
        made = []
        for known, names in wanted:
            for name in names:
                if name not in known:
                    known[name] = f"{'k1:' if known is self.link_keys else ''}{secrets.token_hex(24)}"
                    made.append(name.partition("/")[0])
        return list(dict.fromkeys(made))

    def rotate(self, name: str) -> bool:
        """Another secret: <user> (the broker's password), <service>/store, or <service>/link_keys, where the key before
        stays beside the new one for links that are on their way. False where there is no such secret.
        """
        user, _, kind = name.partition("/")
        known = {"": self.amqp, "store": self.store, "link_keys": self.link_keys}.get(kind, {})
        if user not in known:
            return False
        new = secrets.token_hex(24)
        if kind == "link_keys":
            latest = known[user].split(",")[0]
            new = f"k{int(latest.partition(':')[0].removeprefix('k')) + 1}:{new},{latest}"
        known[user] = new
        return True


def read(path: Path) -> Credentials:
    """The credentials of an earlier start; none where there was none."""
    return Credentials(**json.loads(path.read_text())) if path.exists() else Credentials()


def keep(path: Path, credentials: Credentials) -> None:
    """Write all or nothing, readable by nobody else: services already running depend on these."""
    write(path, json.dumps(asdict(credentials), indent=1), mode=0o600)


def write(path: Path, content: str, *, mode: int, owner: int = 0) -> None:
    """A file whole, durable and with its rights, or the one that was there before."""
    half = path.with_name(f".{path.name}")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.chmod(mode)
    if os.geteuid() == 0:  # in the container always; the right to give a file away is the only one it has
        os.chown(half, owner, owner)
    half.replace(path)
