"""The embedded system as an object: what `up`, `down`, the demo and tests hold in their hands.

    system = System(Home(path))
    system.start()
    system.wait_ready()
    system.endpoints()["http"]["events"]
    system.kill("events")          # is started again
    with system.held("rabbitmq"):  # is away
        …
    system.stop()

The processes hang on a supervisor, a process of its own; this object talks to it by signals and files, so another
process can do the same at the same time.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from deploy.local.definitions import kept_definitions
from deploy.local.home import ROOT, Home, locked, read_json, write_json
from deploy.local.plan import Plan, Planner, discover
from deploy.local.problem import Problem
from deploy.local.process import HELD, WAITS, Identity, Spec, end_all, start_options, wait_until
from deploy.local.rabbitmq import installed

READY_SECONDS = 90.0
STOP_SECONDS = 120.0
GIVE_UP_AFTER_STARTS = 4
"""A process that ended so often before it was ready will not come up by waiting."""

type Progress = Callable[[str], None]


class AlreadyRuns(Problem):
    """The system of this home is up."""


class System:
    """The system of one home. `environment` is added to the process's own; its URLs win over private processes.

    `services`: which to start; all that the repository has by default. The broker has a user for each in any case.
    """

    def __init__(
        self,
        home: Home | Path | None = None,
        *,
        services: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        root: Path = ROOT,
    ) -> None:
        self.home = home if isinstance(home, Home) else Home(home) if home else Home.chosen()
        self.services = sorted(services) if services is not None else discover(root)
        self._environment = {**os.environ, **(environment or {})}
        self._root = root
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self, *, bound: bool = True) -> None:
        """Start the supervisor, which starts the rest. `bound`: all end when this process ends, however it does.

        Raises AlreadyRuns, and Problem where RabbitMQ is missing.
        """
        self.home.create()
        with locked(self.home.run / "starting"):
            if self.runs():
                raise AlreadyRuns(f"it runs already in {self.home.path}")
            if self._supervisor:
                self._supervisor.wait()  # it was killed
            self._end_left_over()
            self._write_plan()
            log = self.home.logs / "supervisor.log"
            options = start_options(log, self._environment, str(ROOT), bound=bound)
            command = [sys.executable, "-m", "deploy.local.supervisor", str(self.home.path)]
            self._supervisor = subprocess.Popen(command, **options)
            os.close(options["stdout"])
            if not wait_until(lambda: self.runs() or self._supervisor_ended(), 10):
                raise Problem(f"the supervisor did not start; see {log}")

    def wait_ready(self, seconds: float = READY_SECONDS, progress: Progress = lambda _: None) -> None:
        """Return when every process is ready. `progress` is told each change, one line for one process.

        Raises Problem with the reasons when that takes longer than `seconds`, or cannot become true.
        """
        changes = Changes(progress)
        if not wait_until(lambda: changes.ready(self.processes()) or bool(self._failed()), seconds, 0.05):
            raise Problem(f"not ready after {seconds:.0f} s: {changes}; see {self.home.logs}")
        if failed := self._failed():
            raise Problem(f"{failed}; see {self.home.logs}")

    def stop(self) -> None:
        """End all in order and return when nothing is left. Nothing happens where nothing runs."""
        identity = self.supervisor()
        end_all([identity] if identity else [], STOP_SECONDS)
        if self._supervisor:
            self._supervisor.wait()
        self._end_left_over()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def runs(self) -> bool:
        """Whether its supervisor lives."""
        return self.supervisor() is not None

    def supervisor(self) -> Identity | None:
        """The supervisor's process; None when it does not run."""
        state = read_json(self.home.processes) or {}
        identity = Identity(**state["supervisor"]) if "supervisor" in state else None
        return identity if identity and identity.alive() else None

    def processes(self) -> dict[str, dict[str, Any]]:
        """Name -> {"pid", "ready", "reasons"} of all that should run; empty when the system is down."""
        if not self.runs():
            return {}
        return {name: _shown(each) for name, each in self._states().items() if not each["helper"]}

    def status(self) -> dict[str, Any]:
        """As `./rummelig status --json` prints it."""
        return {"processes": self.processes()}

    def endpoints(self) -> dict[str, Any]:
        """Addresses, as in endpoints.json: {"amqp", "http", "store", "mailbox"}; a Problem when nothing is up."""
        found: dict[str, Any] | None = read_json(self.home.endpoints) if self.runs() else None
        if found is None:
            raise Problem("the system is not up: ./rummelig up --detach")
        return found

    def amqp_url(self, user: str) -> str:
        """Where a broker user connects: a service's name, `integrator` or `operator`."""
        return self._planner().amqp_url(user)

    def cli_environment(self) -> dict[str, str]:
        """Variables by which the operator's commands find this system, as far as they are not given."""
        return self._planner().cli_environment()

    def service(self, name: str) -> Spec:
        """How a service is started here: for other commands of it, with the same settings."""
        return self._planner().service(name)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a process a signal. One that dies of it is started again; after SIGKILL it is dead on return."""
        state = self._states()[name]
        if state["pid"]:
            identity = Identity(state["pid"], state["started"])
            identity.signal(number)
            if number == signal.SIGKILL:
                wait_until(lambda: not identity.alive(), 10, 0.002)

    def hold(self, name: str, number: int = signal.SIGKILL) -> None:
        """Kill a process and keep it down until `release`. Returns when it has ended."""
        hold = self.home.run / "hold" / name
        hold.parent.mkdir(exist_ok=True)
        hold.touch()
        self.kill(name, number)
        if not wait_until(lambda: self.processes()[name]["reasons"] == [HELD], STOP_SECONDS):
            raise Problem(f"{name} does not end")

    def release(self, name: str) -> None:
        """Let a process that is held be started again; `wait_ready` waits for it."""
        (self.home.run / "hold" / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def held(self, name: str, number: int = signal.SIGKILL) -> Iterator[None]:
        """Keep a process down as long as the block lasts."""
        self.hold(name, number)
        try:
            yield
        finally:
            self.release(name)

    def _planner(self, *, starting: bool = False) -> Planner:
        return Planner(self.home, self._environment, self.services, self._root, starting=starting)

    def _write_plan(self) -> None:
        for old in (self.home.run / "hold").glob("*"):
            old.unlink()
        planner = self._planner(starting=True)
        program = None if planner.given_broker else installed()
        if program:
            planner.node().write(program, kept_definitions(self.home.definitions, planner.passwords()))
        write_json(self.home.plan, _plan_json(planner.plan(program)))
        self.home.endpoints.unlink(missing_ok=True)

    def _end_left_over(self) -> None:
        """What a killed supervisor left (on Linux its children are ending by themselves already)."""
        found = [Identity(each["pid"], each["started"]) for each in self._states().values() if each["pid"]]
        end_all(found, 30)
        self.home.processes.unlink(missing_ok=True)

    def _states(self) -> dict[str, dict[str, Any]]:
        return (read_json(self.home.processes) or {}).get("processes", {})  # type: ignore[no-any-return]

    def _supervisor_ended(self) -> bool:
        return self._supervisor is not None and self._supervisor.poll() is not None

    def _failed(self) -> str:
        if not self.runs():
            return "the supervisor ended"
        hopeless = [
            f"{name} {'; '.join(each['reasons'])}"
            for name, each in self._states().items()
            if each["starts"] >= GIVE_UP_AFTER_STARTS and each["pid"] is None and not each["was_ready"]
        ]
        return hopeless[0] if hopeless else ""


class Changes:
    """Tells each change of a process's state once, as one line; why one that only starts is not ready is no news."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._told: dict[str, str] = {}
        self._starting: set[str] = set()

    def ready(self, processes: dict[str, dict[str, Any]]) -> bool:
        """Tell what is new; whether all are ready."""
        if processes and not self._told:
            self._starting = set(processes)
            self._progress(f"starting {', '.join(processes)}")
        for name, each in processes.items():
            line = "ready" if each["ready"] else "; ".join(each["reasons"])
            if self._told.get(name) != line:
                self._told[name] = line
                self._tell(name, line, each)
        return bool(processes) and all(each["ready"] for each in processes.values())

    def _tell(self, name: str, line: str, each: dict[str, Any]) -> None:
        if each["ready"]:
            self._starting.discard(name)
        if name not in self._starting or (each["pid"] is None and line != WAITS):
            self._progress(f"{name}: {line}")

    def __str__(self) -> str:
        return "; ".join(f"{name}: {line}" for name, line in self._told.items() if line != "ready")


def _shown(state: Mapping[str, Any]) -> dict[str, Any]:
    alive = bool(state["pid"]) and Identity(state["pid"], state["started"]).alive()
    reasons = state["reasons"] if alive or not state["pid"] else ["ended"]
    return {"pid": state["pid"] if alive else None, "ready": alive and state["ready"], "reasons": reasons}


def _plan_json(plan: Plan) -> dict[str, Any]:
    return {"processes": [spec.as_json() for spec in plan.processes], "endpoints": plan.endpoints}
