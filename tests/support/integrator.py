"""The programs that docs/integrators.md and README.md show, run as a reader would run them."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "integrators.md"


def program(name: str, document: Path = GUIDE) -> str:
    """The Python block that follows the line `<!-- program: name -->`."""
    block = rf"<!-- program: {re.escape(name)} -->\n```python\n(.*?)^```$"
    found = re.search(block, document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert found, f"{document.name} shows no program {name!r}"
    return found[1]


def run(code: str, amqp_url: str, patience: float = 60) -> list[str]:
    """Run it with the broker's address in the environment; the lines that it printed."""
    environment = {"RUMMELIG_AMQP_URL": amqp_url, "PATH": os.environ["PATH"], "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", "-"]
    ran = subprocess.run(
        command, input=code, env=environment, cwd="/", capture_output=True, text=True, timeout=patience, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def check_pika_program(amqp_url: str, document: Path = GUIDE) -> None:
    """On a system where no profile has its CVR number: a supplier is registered and the event seen; then a conflict."""
    code = program("pika", document)
    reply, event = run(code, amqp_url)
    assert _reply(reply)["result"]["supplier_id"]
    assert event == "dk.rummelig.supplier.supplier-registered.v1"
    reply, event = run(code, amqp_url)
    assert _reply(reply)["problem"]["status"] == 409
    assert event == "no more events"


def check_aio_pika_program(amqp_url: str, document: Path = GUIDE) -> None:
    """An event is announced, a person signed up, the confirmation seen."""
    announced, signed_up, event = run(program("aio-pika", document), amqp_url)
    assert _reply(announced)["result"]["event_id"]
    assert _reply(signed_up)["result"]["state"] == "confirmed"
    assert event == "dk.rummelig.events.signup-confirmed.v1"


def _reply(line: str) -> dict[str, Any]:
    reply: dict[str, Any] = ast.literal_eval(line)
    return reply
