"""A service's user of MongoDB: what the generated script makes of it, and what a server lets it do."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.catalog import service_names
from deploy.mongo.users import AUTHENTICATION, script, user
from tests.support.stores import MongoServer

SERVICES = service_names()
SHELL = """
const users = {}, seen = [];
const db = { getSiblingDB: name => { seen.push(name); return {
  getUser: name => users[name],
  createUser: user => { users[user.user] = user; },
  updateUser: (name, user) => Object.assign(users[name], user) } } };
"""
"""As much of mongosh as the script uses."""


def run(*scripts: str, **environment: str) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no JavaScript here to run the script with: install node, or see it run in a container")
    program = SHELL + "".join(scripts) + "console.log(JSON.stringify({ users, seen }));"
    return subprocess.run(
        [node, "-"],
        input=program,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_makes_one_user_a_service_with_one_database():
    ran = run(*(script(name, f"password of {name}") for name in SERVICES))
    made = json.loads(ran.stdout)
    assert set(made["seen"]) == {AUTHENTICATION}
    assert {name: each["roles"] for name, each in made["users"].items()} == {
        name: [{"role": "readWrite", "db": name}] for name in SERVICES
    }
    assert made["users"]["supplier"]["pwd"] == "password of supplier"


def test_the_script_run_again_changes_the_password():
    made = json.loads(run(script("events", "old"), script("events", 'new "one"')).stdout)
    assert made["users"]["events"] == {**user("events"), "pwd": 'new "one"'}


def test_without_a_password_the_file_holds_none_and_takes_it_from_the_environment():
    assert json.loads(run(script("events"), EVENTS_STORE_PASSWORD="given").stdout)["users"]["events"]["pwd"] == "given"
    refused = run(script("events"))
    assert refused.returncode != 0
    assert "EVENTS_STORE_PASSWORD is not set" in refused.stderr


@pytest.fixture
def users(mongo_server: MongoServer) -> Iterator[dict[str, Any]]:
    """Two services' clients on a server that knows their roles; skipped where it knows none, in the server's words."""
    root: MongoClient[dict[str, Any]] = MongoClient(mongo_server.url, serverSelectionTimeoutMS=3000)
    made: dict[str, Any] = {}
    try:
        for name in ("supplier", "events"):
            root[AUTHENTICATION].command("createUser", name, pwd=f"{name}-pw", roles=user(name)["roles"])
            made[name] = None
        host = urlsplit(mongo_server.url).netloc.rpartition("@")[2]
        for name in made:
            made[name] = MongoClient(f"mongodb://{name}:{name}-pw@{host}/{name}?authSource={AUTHENTICATION}")
        status = made["supplier"][AUTHENTICATION].command("connectionStatus", showPrivileges=True)["authInfo"]
        if not status.get("authenticatedUserPrivileges"):
            pytest.skip(f"{mongo_server.kind}: connectionStatus shows no privileges: this server checks no roles")
        yield made
    except PyMongoError as error:
        pytest.skip(
            f"{mongo_server.kind} knows no users with roles (TEST_MONGO_URL names a MongoDB that does): {error!s:.150}"
        )
    finally:
        for name, client in made.items():
            if client is not None:
                client.close()
            root[AUTHENTICATION].command("dropUser", name)
        root.close()


def test_a_service_reads_and_writes_its_own_database_and_no_other(users: dict[str, Any]):
    own = users["supplier"]["supplier"]["things"]
    own.insert_one({"_id": "a"})
    assert own.find_one({"_id": "a"})
    other = users["supplier"]["events"]["things"]
    admin = users["supplier"][AUTHENTICATION]
    acts: list[tuple[Callable[..., Any], list[Any]]] = [
        (other.find_one, []),
        (other.insert_one, [{"_id": "b"}]),
        (other.drop, []),
        (admin["system.users"].find_one, []),
        (admin.command, [{"createUser": "x", "pwd": "x", "roles": []}]),
    ]
    for act, arguments in acts:
        with pytest.raises(OperationFailure, match=r"(?i)not authorized|unauthorized"):
            act(*arguments)
