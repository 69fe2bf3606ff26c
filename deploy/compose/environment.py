"""Prints where the system of docker-compose.yml is reached from this host, as variables for ./rummelig:

    eval "$(.venv/bin/python -m deploy.compose.environment)"
    ./rummelig demo

The stores are on networks of their own, which on Linux the host itself can reach. COMPOSE_PROJECT_NAME names another
project. It prints passwords.
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
STORE = "-store"


class NotUp(Exception):
    """The system does not run, or Docker does not answer."""


def compose(*arguments: str) -> str:
    """What `docker compose` prints."""
    ended = subprocess.run(["docker", "compose", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise NotUp(ended.stderr.strip())
    return ended.stdout


def variables() -> dict[str, str]:
    """Name -> value, as ./rummelig and the services' settings read them. NotUp where nothing runs."""
    listed = compose("ps", "--format", "json").strip()
    # One document in older versions, one a line in newer ones.
    found = json.loads(listed) if listed.startswith("[") else [json.loads(line) for line in listed.splitlines()]
    containers = {each["Service"]: each for each in found}
    services = [name.removesuffix(STORE) for name in containers if name.endswith(STORE)]
    if "rabbitmq" not in containers or not services:
        raise NotUp("the system is not up: docker compose up --wait")
    amqp = _published(containers["rabbitmq"], 5672)
    show = ["show", "operator", *(f"{name}{STORE}" for name in services)]
    urls = compose("run", "--rm", "-T", "--env", f"RUMMELIG_AMQP_ADDRESS={amqp}", "init", *show).split()
    result = {"RUMMELIG_AMQP_URL": urls[0]}
    for name, url in zip(services, urls[1:], strict=True):
        result[f"RUMMELIG_HTTP_{name.upper()}"] = f"http://{_published(containers[name], 8080)}"
        result[f"{name.upper()}_STORE_URL"] = _at(url, _address(containers[f"{name}{STORE}"]["Name"]))
    if "mailpit" in containers:
        result["RUMMELIG_MAILPIT_URL"] = f"http://{_published(containers['mailpit'], 8025)}"
    return result


def _published(container: dict[str, Any], port: int) -> str:
    for each in container["Publishers"]:
        if each["TargetPort"] == port and each["PublishedPort"]:
            return f"{each['URL']}:{each['PublishedPort']}".replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    raise NotUp(f"{container['Service']} does not run")


def _address(container: str) -> str:
    command = ["docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _at(url: str, host: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@{host}:{parts.port}").geturl()


if __name__ == "__main__":
    try:
        for variable, value in variables().items():
            print(f"export {variable}={shlex.quote(value)}")
    except NotUp as problem:
        sys.exit(str(problem))
