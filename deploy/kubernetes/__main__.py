"""Makes what the manifests do not hold:

    python -m deploy.kubernetes rules              base/alerts.yaml from deploy/observability/alerts.yml
    python -m deploy.kubernetes secrets <folder>   random secrets as files, for an overlay's secretGenerator

What is in the folder already stays. It holds all passwords of the installation: keep it where passwords are kept.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.compose import credentials
from deploy.compose.credentials import FURTHER, OTHERS, Credentials, write
from deploy.compose.init import amqp_url
from deploy.mongo.users import AUTHENTICATION
from deploy.rabbitmq.definitions import to_json
from deploy.rabbitmq.passwords import with_hashes

FOLDER = Path(__file__).parent
ALERTS = FOLDER.parent / "observability" / "alerts.yml"
RULE = FOLDER / "base" / "alerts.yaml"
BROKER = "rabbitmq:5672"


def rules() -> str:
    """The PrometheusRule with the alerts of deploy/observability."""
    spec = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "rummelig"},
        "spec": spec,
    }
    head = "# Made from deploy/observability/alerts.yml: python -m deploy.kubernetes rules\n"
    return head + yaml.safe_dump(rule, sort_keys=False, width=120)


def secrets(folder: Path) -> None:
    """Write each secret's keys as files below a directory of the secret's name."""
    definitions: dict[str, Any] = json.loads(to_json())
    users = [user["name"] for user in definitions["users"]]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = credentials.read(folder / "passwords.json")
    if known.complete(users):
        credentials.keep(folder / "passwords.json", known)
    _files(folder / "rabbitmq", {"definitions.json": with_hashes(definitions, known.amqp)})
    _files(folder / "others", {f"{user}_amqp_url": amqp_url(known, user, BROKER) for user in OTHERS})
    for service in (user for user in users if user not in OTHERS):
        own = {
            "amqp_url": amqp_url(known, service, BROKER),
            "store_url": store_url(known, service),
            "link_keys": known.link_keys[service],
            **{setting: known.further[f"{service}/{setting}"] for setting in FURTHER},
        }
        _files(folder / service, own)
        _files(folder / f"{service}-store", {"password": known.store[service]})


def store_url(known: Credentials, service: str) -> str:
    """A service's replica set (deploy/kubernetes/mongodb). The operator's Service finds its members."""
    hosts = ",".join(f"{service}-store-{n}.{service}-store-svc:27017" for n in range(3))
    options = f"replicaSet={service}-store&authSource={AUTHENTICATION}"
    return f"mongodb://{service}:{known.store[service]}@{hosts}/{service}?{options}"


def _files(folder: Path, contents: dict[str, str]) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, content in contents.items():
        write(folder / name, content, mode=0o600)


def main(arguments: Sequence[str]) -> int:
    """Exit code 2 where the arguments make no sense."""
    match arguments:
        case ["rules"]:
            RULE.write_text(rules(), encoding="utf-8")
        case ["secrets", folder]:
            secrets(Path(folder))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
