import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsConfigDict

from shared.observability import logs
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TRYOUT_")


class Person(BaseModel):
    age: int


@pytest.fixture
def write():
    """Configures logs in a format; the returned function gives what was written so far."""
    root, hook = logging.getLogger(), sys.excepthook
    before, level = root.handlers[:], root.level
    out = io.StringIO()

    def configure(log_format="json", log_level="debug"):
        logs.configure(Settings(log_format=log_format, log_level=log_level), out)
        return out.getvalue

    yield configure
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:], sys.excepthook = before, hook
    root.setLevel(level)


def records(written: Callable[[], str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written().splitlines()]


def test_a_record_is_one_line_of_json(write):
    written = write()
    structlog.get_logger().info("relayed", count=3, queue="tryout.commands")
    (record,) = records(written)
    assert list(record)[:4] == ["time", "level", "service", "event"]
    assert record["time"].endswith("Z")
    assert {k: record[k] for k in ("level", "service", "event", "count", "queue")} == {
        "level": "info",
        "service": "tryout",
        "event": "relayed",
        "count": 3,
        "queue": "tryout.commands",
    }


def test_records_of_libraries_go_the_same_way(write):
    library = logging.getLogger("aio_pika.connection")
    library.addHandler(logging.StreamHandler(sys.stdout))
    library.propagate = False
    written = write()
    library.warning("Cannot reach %s", "amqp://u:p@broker.example/", extra={"email": "anna@kunde.example"})
    (record,) = records(written)
    assert record["event"] == "Cannot reach amqp://***@broker.example/"
    assert record["logger"] == "aio_pika.connection"
    assert record["email"] == "***@kunde.example"


def test_the_correlation_id_is_on_every_record(write):
    written = write()
    with structlog.contextvars.bound_contextvars(correlation="c-1"):
        structlog.get_logger().info("own")
        logging.getLogger("uvicorn.error").info("theirs")
    structlog.get_logger().info("after")
    assert [record.get("correlation") for record in records(written)] == ["c-1", "c-1", None]


def test_personal_data_are_masked_wherever_they_stand(write):
    written = write()
    structlog.get_logger().info(
        "sign-up of anna@kunde.example", name="Anna Berg", data={"cpr": "010180-1234", "note": "ring 010180-1234"}
    )
    logging.getLogger("smtp").warning("rcpt %s", "anna@kunde.example")
    for personal in ("anna", "Anna", "Berg", "010180"):
        assert personal not in written()


FORGED = 'x\n{"level": "info", "event": "forged"}\r\n\x1b[2K\x85\u2028\u202e\ud800'


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_input_cannot_forge_a_line(write, log_format):
    written = write(log_format)
    structlog.get_logger().info(FORGED, value=FORGED, inside={FORGED: [FORGED]})
    logging.getLogger("library").info("%s", FORGED)
    assert len(written().splitlines()) == 2
    assert logs.UNSEEN.sub("", written()) == written().replace("\n", "")
    written().encode()  # no lone surrogate is left


def test_input_cannot_forge_a_key_in_a_terminal(write):
    written = write("console")
    structlog.get_logger().info("refused", reason='x" ok=true', other="x ok=true")
    assert written().rstrip().endswith(r'refused reason="x\" ok=true" other="x ok=true"')


def test_an_exception_has_frames_but_no_values(write):
    written = write()

    def inner(hemmelig: str) -> None:
        raise KeyError("anna@kunde.example", len(hemmelig))

    try:
        try:
            inner("hemmelig værdi")
        except KeyError as error:
            raise ExceptionGroup("two\nthings", [error, ValueError("b")]) from error
    except ExceptionGroup:
        structlog.get_logger().exception("failed")
    (record,) = records(written)
    said = record["exception"]
    assert (said["type"], said["because"]["message"]) == ("ExceptionGroup", "('***@kunde.example', 14)")
    assert [member["type"] for member in said["members"]] == ["KeyError", "ValueError"]
    assert any(frame.endswith("inner") for frame in said["because"]["frames"])
    assert "hemmelig" not in written()


def test_an_invalid_message_is_told_without_its_values(write):
    written = write()
    try:
        Person.model_validate({"age": "Anna Berg"})
    except ValidationError:
        structlog.get_logger().exception("invalid")
    assert records(written)[0]["exception"]["message"].startswith("age: Input should be a valid integer")
    assert "Anna" not in written()


def test_an_exception_in_a_terminal_is_indented(write):
    written = write("console")
    try:
        int("a\nb")
    except ValueError:
        structlog.get_logger().exception("failed")
    first, *rest = written().splitlines()
    assert first.endswith("failed")
    assert all(line.startswith("    ") for line in rest)


def test_a_value_that_cannot_be_shown_does_not_lose_the_record(write):
    class Odd:
        def __str__(self):
            raise RuntimeError

    written = write()
    structlog.get_logger().info("kept", odd=Odd(), nan=float("nan"), kind=Odd)
    assert records(written)[0]["odd"] == "***"


def test_a_bad_format_string_of_a_library_leaks_nothing(write, capsys):
    written = write()
    logging.getLogger("library").warning("%d", "anna@kunde.example")
    assert written() == "log record of library lost: TypeError\n"
    assert capsys.readouterr().err == ""


def test_levels(write):
    written = write(log_level="warning")
    structlog.get_logger().info("no")
    logging.getLogger("uvicorn.error").info("no")
    logging.getLogger("aiormq.connection").warning("no")
    structlog.get_logger().warning("yes")
    assert [record["event"] for record in records(written)] == ["yes"]


def test_warnings_are_records(write):
    written = write()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert records(written)[0]["logger"] == "py.warnings"


CRASH = """
from shared.observability import logs
from shared.settings import ServiceSettings
logs.configure(ServiceSettings(log_format="json"))
raise RuntimeError("for anna@kunde.example")
"""


def test_the_last_words_of_a_process_are_a_record_too():
    crashed = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, text=True, check=False)
    assert crashed.returncode == 1
    (record,) = [json.loads(line) for line in crashed.stderr.splitlines()]
    assert (record["event"], record["exception"]["message"]) == ("crashed", "for ***@kunde.example")
