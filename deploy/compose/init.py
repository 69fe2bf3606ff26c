"""The one-shot container of docker-compose.yml, run before all others; needs the standard library only.

    init                        make what is missing, give each container its own secrets
    init show <name> …          print URLs: integrator, operator (the broker, as seen from the host),
                                <service>-store (a service's MongoDB, as seen from its network)
    init rotate <name> …        another secret for a broker user, <service>/store or <service>/link_keys; what is to be
                                restarted then stands in SECURITY.md

Each directory below /secrets is a volume that one container reads; `state` is read by this one alone:

    state/passwords.json                            everything; all else is written anew from it at every start
    broker/{rabbitmq.conf,definitions.json}         with password hashes only
    operator/amqp_url
    <service>/{amqp_url,store_url,link_keys,address_key}
    <service>-store/{root_password,users.js,users.json}
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.compose import credentials
from deploy.compose.credentials import FURTHER, OTHERS, Credentials, write
from deploy.mongo.users import AUTHENTICATION, script
from deploy.rabbitmq.passwords import with_hashes

SECRETS = Path(os.environ.get("RUMMELIG_SECRETS", "/secrets"))
DEFINITIONS = Path(__file__).parents[1] / "rabbitmq" / "definitions.json"
CONFIGURATION = Path(__file__).with_name("rabbitmq.conf")
SERVICE_USER = 10001  # as in deploy/Dockerfile
BROKER = "rabbitmq:5672"


def main(arguments: Sequence[str]) -> int:
    """Exit code 2 where the arguments make no sense."""
    definitions = json.loads(DEFINITIONS.read_text())
    users = [user["name"] for user in definitions["users"]]
    state = SECRETS / "state" / "passwords.json"
    known = credentials.read(state)
    made = known.complete(users)
    if made:
        credentials.keep(state, known)
    match arguments:
        case []:
            hand_out(known, definitions)
            print(f"secrets made for: {', '.join(made)}" if made else "all secrets are there and stay as they are")
            return 0
        case ["show", *names] if names:
            return show(known, names)
        case ["rotate", *names] if names and all(known.rotate(name) for name in names):
            credentials.keep(state, known)
            hand_out(known, definitions)
            print(f"new secrets for: {', '.join(names)}")
            return 0
    print(__doc__, file=sys.stderr)
    return 2


def hand_out(known: Credentials, definitions: dict[str, Any]) -> None:
    """Write each container's files into its volume. A service without volumes here runs elsewhere, or not at all."""
    _files("broker", {"definitions.json": with_hashes(definitions, known.amqp)}, mode=0o444)
    _files("broker", {"rabbitmq.conf": CONFIGURATION.read_text()}, mode=0o444)
    _files("operator", {"amqp_url": amqp_url(known, "operator", BROKER)}, owner=SERVICE_USER)
    for service in (user for user in known.amqp if user not in OTHERS):
        if (SECRETS / service).is_dir() and (SECRETS / f"{service}-store").is_dir():
            _hand_to_service(known, service)
        else:
            print(f"{service}: no volumes here, nothing written")


def _hand_to_service(known: Credentials, service: str) -> None:
    own = {
        "amqp_url": amqp_url(known, service, BROKER),
        "store_url": store_url(known, service),
        "link_keys": known.link_keys[service],
        **{setting: known.further[f"{service}/{setting}"] for setting in FURTHER},
    }
    _files(service, own, owner=SERVICE_USER)
    _files(f"{service}-store", {"root_password": known.store_root[service]})
    # MongoDB's image runs users.js on its first start, as a user that we do not know; stand-ins read users.json.
    password = known.store[service]
    users = json.dumps([{"user": service, "pwd": password, "db": AUTHENTICATION}])
    _files(f"{service}-store", {"users.js": script(service, password), "users.json": users}, mode=0o444)


def show(known: Credentials, names: Sequence[str]) -> int:
    """Print one URL a line."""
    host = os.environ.get("RUMMELIG_AMQP_ADDRESS", "127.0.0.1:5672")
    urls = {user: amqp_url(known, user, host) for user in known.amqp}
    urls |= {f"{service}-store": store_url(known, service) for service in known.store}
    if unknown := [name for name in names if name not in urls]:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(urls))}", file=sys.stderr)
        return 2
    for name in names:
        print(urls[name])
    return 0


def amqp_url(known: Credentials, user: str, address: str) -> str:
    """The broker for one user."""
    return f"amqp://{user}:{known.amqp[user]}@{address}/"


def store_url(known: Credentials, service: str) -> str:
    """A service's MongoDB for its own user, who may read and write its one database."""
    return f"mongodb://{service}:{known.store[service]}@{service}-store:27017/{service}?authSource={AUTHENTICATION}"


def _files(recipient: str, contents: Mapping[str, str], *, mode: int = 0o400, owner: int = 0) -> None:
    for name, content in contents.items():
        write(SECRETS / recipient / name, content, mode=mode, owner=owner)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
