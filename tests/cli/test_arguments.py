"""The command line without a broker: what it understands, and what it says to wrong use."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.cli import contracts, main, send, watch
from shared.cli.commands import COMMANDS, Command
from shared.cli.connection import amqp_url, user_of
from shared.cli.problem import CliError
from shared.contracts.base import Envelope
from shared.contracts.examples import example_envelope
from shared.contracts.supplier import RegisterSupplier

TYPE = "dk.rummelig.supplier.register-supplier.v1"


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where no broker is."""
    monkeypatch.setenv("RUMMELIG_AMQP_URL", "amqp://integrator:secret@127.0.0.1:1/")


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    return error


def test_the_brokers_address_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    file = tmp_path / "url"
    file.write_text("amqp://operator:secret@broker.example/\n")
    monkeypatch.delenv("RUMMELIG_AMQP_URL", raising=False)
    monkeypatch.setenv("RUMMELIG_AMQP_URL_FILE", str(file))
    assert user_of(amqp_url()) == "operator"
    monkeypatch.setenv("RUMMELIG_AMQP_URL", "amqp://integrator:secret@broker.example/")
    with pytest.raises(CliError, match="set only one of them"):
        amqp_url()
    monkeypatch.delenv("RUMMELIG_AMQP_URL")
    file.write_text("")
    with pytest.raises(CliError, match="the file is empty"):
        amqp_url()


def test_a_brokers_certificate_is_not_left_unseen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUMMELIG_AMQP_URL", "amqps://operator:secret@broker.example/?no_verify_ssl=1")
    with pytest.raises(CliError, match="no_verify_ssl") as refused:
        amqp_url()
    assert "secret" not in str(refused.value)


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in COMMANDS)
    assert main([]) == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]):
    assert main([name, "--help"]) == 0
    assert f"usage: rummelig {name}" in capsys.readouterr().out


def test_an_unknown_command_is_told_in_one_line(capsys: pytest.CaptureFixture[str]):
    assert main(["sned"]) == 2
    assert "send" in told(capsys)


def test_only_the_command_that_is_asked_for_is_imported():
    heavy = "pydantic", "aio_pika", "shared.contracts.base"
    code = f"import sys; from shared.cli import main; main(['--help']); print(set({heavy}) & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.endswith("set()\n")


def test_further_commands_may_be_given(capsys: pytest.CaptureFixture[str]):
    commands = {"show": Command("shared.cli.contracts", "show messages")}
    assert main(["show", "supplier"], commands, prog="./rummelig") == 0
    assert "register-supplier.v1" in capsys.readouterr().out
    assert main(["send"], commands, prog="./rummelig") == 2
    assert told(capsys).startswith("./rummelig: ")


@pytest.mark.parametrize("argv", [["send", "supplier", "register-supplier"], ["watch"]])
def test_without_an_address_the_variable_is_named(
    argv: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("RUMMELIG_AMQP_URL", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO("{}"))
    assert main(argv) == 2
    assert "RUMMELIG_AMQP_URL" in told(capsys)


@pytest.mark.parametrize("argv", [["send", "supplier", "register-supplier"], ["watch"]])
def test_a_broker_that_is_away_is_named_without_the_password(
    argv: list[str], nowhere: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdin", io.StringIO("{}"))
    assert main(argv) == 2
    line = told(capsys)
    assert "127.0.0.1:1" in line
    assert "secret" not in line


@pytest.mark.parametrize("url", ["localhost", "http://127.0.0.1/", "amqp://", "amqp://a:b@host:port/", "amqp://[::1"])
def test_a_wrong_address_is_told(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUMMELIG_AMQP_URL", url)
    with pytest.raises(CliError, match="amqp://user:password@host:5672/"):
        amqp_url()


def test_the_user_is_the_one_of_the_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUMMELIG_AMQP_URL", "amqps://integrator-webshop:p%40ss@broker.example/")
    assert user_of(amqp_url()) == "integrator-webshop"


@pytest.mark.parametrize(
    ("command", "key"),
    [("register-supplier", "register-supplier.v1"), ("register-supplier.v1", "register-supplier.v1")],
)
def test_routing_key(command: str, key: str):
    assert send.routing_key("supplier", command) == key


def test_a_service_that_came_later_may_be_sent_to():
    assert send.routing_key("weather", "forecast") == "forecast.v1"
    assert send.routing_key("weather", "forecast.v3") == "forecast.v3"


@pytest.mark.parametrize("command", ["register", "supplier-registered", "register-supplier.v9"])
def test_an_unknown_command_of_a_service_names_those_there_are(
    command: str, nowhere: None, capsys: pytest.CaptureFixture[str]
):
    assert main(["send", "supplier", command]) == 2
    assert "register-supplier, update-supplier, withdraw-supplier" in told(capsys)


def test_data_is_wrapped():
    event = send.cloud_event("supplier", "register-supplier.v1", {"cvr": "13585628"}, source="/cli/integrator")
    envelope = Envelope.model_validate(event)
    assert (envelope.type, envelope.source, envelope.data) == (TYPE, "/cli/integrator", {"cvr": "13585628"})
    other = send.cloud_event("supplier", "register-supplier.v1", {"cvr": "13585628"}, source="/cli/integrator")
    assert other["id"] != event["id"]


def test_a_whole_cloudevent_goes_as_it_is():
    found = example_envelope(RegisterSupplier).model_dump(mode="json", exclude_none=True) | {"comexampleextra": "1"}
    assert send.cloud_event("supplier", "register-supplier.v1", found, source="/cli") == found


def test_a_cloudevent_of_another_type_is_refused():
    found = example_envelope(RegisterSupplier).model_dump(mode="json")
    with pytest.raises(CliError, match="update-supplier"):
        send.cloud_event("supplier", "update-supplier.v1", found, source="/cli")


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '"text"', "{} {}", json.dumps({"specversion": "1.0", "type": TYPE, "data": {}})]
)
def test_what_is_no_message_is_told(text: str, tmp_path: Path, nowhere: None, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "message.json"
    file.write_text(text)
    assert main(["send", "supplier", "register-supplier", str(file)]) == 2
    assert "127.0.0.1" not in told(capsys)


def test_a_file_that_is_not_there_is_told(nowhere: None, capsys: pytest.CaptureFixture[str]):
    assert main(["send", "supplier", "register-supplier", "no-such-file.json"]) == 2
    assert "no-such-file.json" in told(capsys)


@pytest.mark.parametrize(
    ("pattern", "bound"),
    [
        ("#", "#"),
        ("*", "*"),
        ("supplier-registered", "supplier-registered.*"),
        ("supplier-registered.v1", "supplier-registered.v1"),
        ("*.v1", "*.v1"),
        ("signup-*", "#"),
        ("signup-*.v1", "#"),
        ("*-cancelled", "#"),
    ],
)
def test_binding(pattern: str, bound: str):
    assert watch.binding(pattern) == bound


@pytest.mark.parametrize(
    ("pattern", "key", "passes"),
    [
        ("#", "signup-confirmed.v1", True),
        ("signup-*", "signup-confirmed.v1", True),
        ("signup-*", "event-announced.v1", False),
        ("signup-*.v1", "signup-confirmed.v1", True),
        ("signup-*.v1", "signup-confirmed.v2", False),
        ("*-cancelled", "event-cancelled.v2", True),
    ],
)
def test_what_a_pattern_means(pattern: str, key: str, passes: bool):
    assert watch.wanted(pattern, key) is passes


def test_an_event_is_one_line_that_moves_no_cursor():
    body = json.loads(example_envelope(RegisterSupplier).to_json())
    body["data"]["name"] = "a\n\x1b[2Jb\u202ec"
    line = watch.line(json.dumps(body, ensure_ascii=False).encode(), "register-supplier.v1")
    assert line.isprintable()
    assert "08:00:00" in line
    assert watch.line(b"\xff\x1b[2J", "x.v1").isprintable()


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_wrong_count(count: str, nowhere: None, capsys: pytest.CaptureFixture[str]):
    assert main(["watch", "--count", count]) == 2
    assert "--count" in capsys.readouterr().err


def test_contracts_lists_every_message(capsys: pytest.CaptureFixture[str]):
    assert main(["contracts"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"supplier", "events", "procurement", "notifications"}
    assert main(["contracts", "supplier"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"supplier"}


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main(["contracts", *argv]) == 0
    return json.loads(capsys.readouterr().out)


def test_contracts_shows_a_command(capsys: pytest.CaptureFixture[str]):
    found = shown(capsys, "supplier", "register-supplier")
    assert found["type"] == TYPE
    assert (found["exchange"], found["routing_key"]) == ("supplier.commands", "register-supplier.v1")
    assert "cvr" in found["data"]["required"]
    assert "supplier_id" in found["reply"]["properties"]
    assert RegisterSupplier.model_validate(found["example"]["data"]).cvr == "13585628"


def test_contracts_shows_an_event(capsys: pytest.CaptureFixture[str]):
    found = shown(capsys, "supplier", "supplier-registered.v1")
    assert (found["kind"], found["exchange"]) == ("event", "supplier.events")
    assert "reply" not in found


def test_an_example_is_what_send_takes(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    found = shown(capsys, "supplier", "register-supplier", "--example")
    file = tmp_path / "data.json"
    file.write_text(json.dumps(found))
    assert RegisterSupplier.model_validate(send.read_json(str(file))).cvr == "13585628"


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["weather"], "supplier"),
        (["supplier", "forecast"], "register-supplier"),
        (["supplier", "--example"], "message"),
    ],
)
def test_unknown_contracts_are_told(argv: list[str], named: str, capsys: pytest.CaptureFixture[str]):
    assert main(["contracts", *argv]) == 2
    assert named in told(capsys)


def test_an_unknown_message_is_no_crash():
    with pytest.raises(CliError, match="it has"):
        contracts.find("supplier", "forecast")
