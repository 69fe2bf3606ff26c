"""What runs: from a home and the environment to processes and addresses. What the environment gives, wins."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from deploy.local import rabbitmq
from deploy.local.home import ROOT, Home
from deploy.local.process import Spec

INTEGRATOR, OPERATOR = "integrator", "operator"


def lasting_secrets(services: Sequence[str]) -> list[str]:
    """Names of the secrets that are never made anew: they sign links, and key the ids of addresses."""
    return [f"{name}-{what}" for name in services for what in ("links", "addresses")]


def discover(root: Path = ROOT) -> list[str]:
    """The services of a repository: the folders with a messages.py."""
    return sorted(path.parent.name for path in (root / "services").glob("*/messages.py"))


@dataclass(frozen=True)
class Plan:
    """Processes to keep running, and where the system is reached."""

    processes: list[Spec]
    endpoints: dict[str, Any]


class Planner:
    """Makes the plan of one home."""

    def __init__(
        self, home: Home, environment: Mapping[str, str], services: Sequence[str], root: Path, *, starting: bool
    ) -> None:
        self._home = home
        self._environment = environment
        self._services = list(services)
        self._root = root
        self.given_broker = environment.get("RUMMELIG_AMQP_URL") or None
        self._users = [*sorted({*self._services, *discover(root)}), INTEGRATOR, OPERATOR]
        own = ["rabbitmq", "rabbitmq-distribution", "rabbitmq-epmd", "smtp"]
        self._ports = home.ports([*own, *self._services], must_be_free=starting)
        self._secrets = home.secrets([*self._users, *lasting_secrets(self._services)])

    def plan(self, program: Path | None) -> Plan:
        """`program`: RabbitMQ's start script, after `node().write`; None where the environment gives a broker."""
        node = self.node().specs(program, self.amqp_url(OPERATOR)) if program else []
        sink = [] if self._given("NOTIFICATIONS_SMTP_URL") else [self._mail_sink()]
        processes = [*node, *sink, *(self.service(name) for name in self._services)]
        return Plan(processes, self.endpoints())

    def passwords(self) -> dict[str, str]:
        """Of each user of the private broker, for its definitions."""
        return {user: self._secrets[user] for user in self._users}

    def node(self) -> rabbitmq.Node:
        """The private broker."""
        amqp, distribution, epmd = (self._ports[f"rabbitmq{part}"] for part in ("", "-distribution", "-epmd"))
        metrics = int(self._environment.get("RUMMELIG_BROKER_METRICS_PORT") or 0) or None
        return rabbitmq.Node(self._home.broker, rabbitmq.Ports(amqp, distribution, epmd, metrics), self._home.logs)

    def amqp_url(self, user: str) -> str:
        """Where a broker user connects; with a broker that is given, all are the one who is in its URL."""
        return self.given_broker or self.node().url(user, self._secrets[user])

    def endpoints(self) -> dict[str, Any]:
        """As written to endpoints.json."""
        return {
            "amqp": self.amqp_url(INTEGRATOR),
            "http": {name: f"http://127.0.0.1:{self._http_port(name)}" for name in self._services},
            "store": {name: self._setting(name, "STORE_URL") for name in self._services},
            "mailbox": str(self._home.mailbox),
        }

    def cli_environment(self) -> dict[str, str]:
        """What the operator's commands need to find this system."""
        found = {"RUMMELIG_AMQP_URL": self.amqp_url(OPERATOR), "RUMMELIG_SERVICES": ",".join(self._services)}
        for name in self._services:
            found[f"RUMMELIG_HTTP_{name.upper()}"] = f"http://127.0.0.1:{self._http_port(name)}"
            found |= {f"{name.upper()}_{key}": self._setting(name, key) for key in ("AMQP_URL", "STORE_URL")}
        return self._unless_given(found)

    def service(self, name: str) -> Spec:
        """How a service is started."""
        environment = {f"{name.upper()}_{key}": value for key, value in self._own(name).items()}
        if name == "notifications":
            environment["NOTIFICATIONS_SMTP_URL"] = f"smtp://127.0.0.1:{self._ports['smtp']}"
        arguments = [sys.executable, "-m", f"services.{name}"]
        probe = f"http:{self._http_port(name)}"
        log = str(self._home.logs / f"{name}.log")
        return Spec(name, arguments, log, self._unless_given(environment), probe, 2, directory=str(self._root))

    def _setting(self, name: str, key: str) -> str:
        """A service's setting: as given, else ours."""
        return self._environment.get(f"{name.upper()}_{key}") or self._own(name)[key]

    def _own(self, name: str) -> dict[str, str]:
        return {
            "AMQP_URL": self.amqp_url(name),
            "STORE_URL": f"sqlite:///{self._home.path / name}.db",
            "HTTP_PORT": str(self._ports[name]),
            "PUBLIC_URL": f"http://127.0.0.1:{self._http_port(name)}",
            "LINK_KEYS": f"k1:{self._secrets[f'{name}-links']}",
            "ADDRESS_KEY": self._secrets[f"{name}-addresses"],
            "LOG_FORMAT": "json",
            "TRUSTED_USERS": ",".join(dict.fromkeys((OPERATOR, *self._given_user()))),
        }

    def _http_port(self, name: str) -> int:
        return int(self._environment.get(f"{name.upper()}_HTTP_PORT") or self._ports[name])

    def _given_user(self) -> list[str]:
        """One user for all services then stands for any sender."""
        return [unquote(urlsplit(self.given_broker).username or "guest")] if self.given_broker else []

    def _mail_sink(self) -> Spec:
        arguments = [sys.executable, "-m", "deploy.local.mailsink", str(self._ports["smtp"]), str(self._home.mailbox)]
        probe = f"smtp:{self._ports['smtp']}"
        return Spec("mail", arguments, str(self._home.logs / "mail.log"), {}, probe, 1, directory=str(ROOT))

    def _unless_given(self, environment: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in environment.items() if not self._given(name)}

    def _given(self, name: str) -> bool:
        return bool(self._environment.get(name) or self._environment.get(f"{name}_FILE"))
