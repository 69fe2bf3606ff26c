"""What `init` gives each container: made once, the same at every start, nobody else's."""

import base64
import hashlib
import json
import re
import stat
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.catalog import service_names
from deploy.compose import init
from deploy.mongo.users import script
from deploy.rabbitmq.definitions import to_json
from shared.web.links import BadLink, Signer, parse_keys

SERVICES = service_names()


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The volumes as they are before the first start."""
    for volume in ["state", "broker", "operator", *SERVICES, *(f"{name}-store" for name in SERVICES)]:
        (tmp_path / "secrets" / volume).mkdir(parents=True)
    definitions = tmp_path / "definitions.json"
    definitions.write_text(to_json())
    monkeypatch.setattr(init, "SECRETS", tmp_path / "secrets")
    monkeypatch.setattr(init, "DEFINITIONS", definitions)
    return tmp_path / "secrets"


def contents(secrets: Path) -> dict[str, str]:
    return {str(p.relative_to(secrets)): p.read_text() for p in sorted(secrets.rglob("*")) if p.is_file()}


def password(url: str) -> str:
    return urlsplit(url).password or ""


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_its_own(secrets: Path, service: str):
    assert init.main([]) == 0
    given = contents(secrets)
    broker, store = given[f"{service}/amqp_url"], given[f"{service}/store_url"]
    assert re.fullmatch(rf"amqp://{service}:[0-9a-f]{{48}}@rabbitmq:5672/", broker)
    assert re.fullmatch(rf"mongodb://{service}:[0-9a-f]{{48}}@{service}-store:27017/{service}\?authSource=admin", store)
    assert list(parse_keys(given[f"{service}/link_keys"])) == ["k1"]
    assert len(given[f"{service}/address_key"]) == 48


@pytest.mark.parametrize("service", SERVICES)
def test_its_store_knows_it_and_nobody_else(secrets: Path, service: str):
    init.main([])
    given = contents(secrets)
    (user,) = json.loads(given[f"{service}-store/users.json"])
    assert user["pwd"] == password(given[f"{service}/store_url"]) != given[f"{service}-store/root_password"]
    assert given[f"{service}-store/users.js"] == script(service, user["pwd"])


def test_no_secret_is_given_to_two(secrets: Path):
    init.main([])
    state = json.loads((secrets / "state" / "passwords.json").read_text())
    every = [secret for kind in state.values() for secret in kind.values()]
    assert len(set(every)) == len(every) == 2 + 5 * len(SERVICES)


def test_the_broker_gets_hashes_only(secrets: Path):
    init.main([])
    given = contents(secrets)
    definitions = json.loads(given["broker/definitions.json"])
    for user in definitions["users"]:
        plain = json.loads(given["state/passwords.json"])["amqp"][user["name"]]
        raw = base64.b64decode(user["password_hash"])
        assert raw[4:] == hashlib.sha256(raw[:4] + plain.encode()).digest()
        assert plain not in given["broker/definitions.json"]
    assert definitions["queues"]
    assert "load_definitions" in given["broker/rabbitmq.conf"]


def test_a_later_start_keeps_all(secrets: Path, capsys: pytest.CaptureFixture[str]):
    init.main([])
    first = contents(secrets)
    init.main([])
    second = contents(secrets)
    changed = {name for name in second if second[name] != first.get(name)}
    assert changed == {"broker/definitions.json"}  # salted anew
    assert "stay as they are" in capsys.readouterr().out


def test_a_service_that_came_later_gets_its_own_and_the_others_keep_theirs(secrets: Path):
    init.main([])
    first = contents(secrets)
    definitions = json.loads(init.DEFINITIONS.read_text())
    definitions["users"].append({"name": "register", "password_hash": "", "tags": []})
    init.DEFINITIONS.write_text(json.dumps(definitions))
    for volume in ("register", "register-store"):
        (secrets / volume).mkdir()
    init.main([])
    second = contents(secrets)
    assert password(second["register/amqp_url"])
    assert second["supplier/amqp_url"] == first["supplier/amqp_url"]


def test_files_are_for_their_readers_alone(secrets: Path):
    init.main([])
    modes = {str(p.relative_to(secrets)): stat.S_IMODE(p.stat().st_mode) for p in secrets.rglob("*") if p.is_file()}
    assert modes["state/passwords.json"] == 0o600
    assert modes["supplier/amqp_url"] == modes["supplier-store/root_password"] == 0o400
    # The users of the broker's and MongoDB's images are not known here; nobody else mounts these volumes.
    assert modes["broker/definitions.json"] == modes["supplier-store/users.js"] == 0o444


def test_nothing_secret_is_printed_at_a_start(secrets: Path, capsys: pytest.CaptureFixture[str]):
    init.main([])
    assert not re.search(r"[0-9a-f]{16}", capsys.readouterr().out)


def test_shows_addresses_for_programs_on_the_host(
    secrets: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RUMMELIG_AMQP_ADDRESS", "127.0.0.1:25672")
    assert init.main(["show", "integrator", "supplier-store"]) == 0
    broker, store = capsys.readouterr().out.split()
    state = json.loads((secrets / "state" / "passwords.json").read_text())
    assert broker == f"amqp://integrator:{state['amqp']['integrator']}@127.0.0.1:25672/"
    assert password(store) == state["store"]["supplier"]


def test_a_secret_is_changed_and_no_other(secrets: Path):
    init.main([])
    first = contents(secrets)
    assert init.main(["rotate", "events", "events/store", "events/link_keys"]) == 0
    second = contents(secrets)
    changed = {name for name in second if second[name] != first[name]}
    own = {
        "events/amqp_url",
        "events/store_url",
        "events/link_keys",
        "events-store/users.js",
        "events-store/users.json",
    }
    assert changed == {"broker/definitions.json", "state/passwords.json", *own}
    assert second["events-store/users.js"] == script("events", password(second["events/store_url"]))


def test_links_on_their_way_hold_after_a_new_key_and_not_after_two(secrets: Path):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    init.main([])
    sent = Signer((secrets / "events/link_keys").read_text()).sign("x", "a")
    init.main(["rotate", "events/link_keys"])
    assert Signer((secrets / "events/link_keys").read_text()).verify("x", sent, now) == "a"
    init.main(["rotate", "events/link_keys"])
    with pytest.raises(BadLink):
        Signer((secrets / "events/link_keys").read_text()).verify("x", sent, now)


@pytest.mark.parametrize(
    "arguments",
    [["show"], ["show", "nobody"], ["help"], ["rotate"], ["rotate", "nobody"], ["rotate", "events/address_key"]],
)
def test_what_it_does_not_know(secrets: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert init.main(arguments) == 2
    said = capsys.readouterr()
    assert said.err
    assert not said.out
