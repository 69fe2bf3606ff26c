"""Three RabbitMQ 4 nodes in containers, whose network between one another a test can cut.

Clients come over published ports, nodes reach one another over a network of their own: so a node that is cut off from
the others can still be talked to.
"""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.containers.system import docker
from tests.support.containers import IMAGE

NODES = ("one", "two", "three")
PASSWORD = "of-a-test"
UP_SECONDS = 180.0
CONFIGURATION = f"""
default_user = operator
default_pass = {PASSWORD}
cluster_formation.peer_discovery_backend = classic_config
{"\n".join(f"cluster_formation.classic_config.nodes.{n} = rabbit@{name}" for n, name in enumerate(NODES, 1))}
cluster_partition_handling = pause_minority
net_ticktime = 10
"""
"""As RabbitMQ's cluster operator sets it, but that a silent node is noticed after ten seconds instead of sixty."""


class Cluster:
    """The containers by the names of their nodes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def url(self, node: str) -> str:
        """Where the operator's user connects to this node."""
        port = docker("port", self._container(node), "5672/tcp").split()[0].rpartition(":")[2]
        return f"amqp://operator:{PASSWORD}@127.0.0.1:{port}/"

    def control(self, node: str, *words: str) -> str:
        """`rabbitmqctl <words>` on a node."""
        user = ("setpriv", "--reuid=rabbitmq", "--clear-groups", "env", "HOME=/var/lib/rabbitmq")
        return docker("exec", self._container(node), *user, "rabbitmqctl", "--quiet", *words, seconds=UP_SECONDS)

    def cut(self, node: str) -> None:
        """The node is without the others; clients still reach it."""
        docker("network", "disconnect", self._name, self._container(node))

    def mend(self, node: str) -> None:
        """It is with them again."""
        docker("network", "connect", "--alias", node, self._name, self._container(node))

    async def running(self, *nodes: str) -> None:
        """Wait until these, and no others, run together."""
        async with asyncio.timeout(UP_SECONDS):
            while await asyncio.to_thread(self._together, nodes[0]) != set(nodes):
                await asyncio.sleep(0.5)

    def start(self, settings: Path) -> None:
        (settings / "rabbitmq.conf").write_text(CONFIGURATION)
        docker("network", "create", "--internal", self._name)
        for node in NODES:
            options = ["--name", self._container(node), "--hostname", node, "--publish", "127.0.0.1::5672"]
            mounted = ["--volume", f"{settings / 'rabbitmq.conf'}:/etc/rabbitmq/rabbitmq.conf:ro"]
            docker("create", *options, *mounted, "--env", f"RABBITMQ_ERLANG_COOKIE={self._name}", IMAGE)
            self.mend(node)
        for node in NODES:
            docker("start", self._container(node))

    def remove(self) -> None:
        for node in NODES:
            docker("rm", "--force", "--volumes", self._container(node))
        docker("network", "rm", self._name)

    def _together(self, node: str) -> set[str]:
        try:
            said = self.control(node, "eval", "[atom_to_list(N) || N <- rabbit_nodes:list_running()].")
        except AssertionError:
            return set()  # it does not run yet
        return {name for name in NODES if f"rabbit@{name}" in said}

    def _container(self, node: str) -> str:
        return f"{self._name}-{node}"


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """The nodes, started; they go with the block."""
    folder.chmod(0o755)
    found = Cluster(f"rummelig-cluster-{uuid.uuid4().hex[:8]}")
    try:
        found.start(folder)
        yield found
    finally:
        found.remove()
