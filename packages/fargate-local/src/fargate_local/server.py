"""The server: all parts put together in one process."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from fargate_local.admin import Admin
from fargate_local.app import Application
from fargate_local.clock import Clock
from fargate_local.cloud.catalog import Catalog
from fargate_local.cloud.clients import CloudClients
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.door import Door
from fargate_local.ecs.actions import Actions
from fargate_local.ecs.neighbours import Neighbours
from fargate_local.engine.engine import RECORD_LIFE, Engine, Parts
from fargate_local.engine.records import Records
from fargate_local.engine.task import STATES
from fargate_local.events import EventPublisher
from fargate_local.faults.api import ApiFaults
from fargate_local.faults.buckets import TokenBuckets
from fargate_local.faults.rules import FaultRule, FaultRules
from fargate_local.guard import Guard
from fargate_local.http import HttpServer
from fargate_local.images import ImageStore
from fargate_local.keys import KEY_FILE, ServerKey, TaskKeys
from fargate_local.runtimes.base import Runtime
from fargate_local.runtimes.containers import ContainerRuntime
from fargate_local.runtimes.names import RuntimeName
from fargate_local.runtimes.process import ProcessRuntime
from fargate_local.task_endpoints import TaskEndpoints


@dataclass(frozen=True)
class Settings:
    """How to serve.

    `record_life` is in seconds; `registry_map` redirects pulls from one registry to another; `allow_hosts` are names of
    this machine that clients may use besides `localhost` and IP addresses; an `open` server asks for no key.
    """

    host: str = "127.0.0.1"
    port: int = 0
    state_dir: Path | None = None
    store: Path | None = None
    runtime: RuntimeName = "process"
    registry_map: dict[str, str] = field(default_factory=dict)
    rules: list[FaultRule] = field(default_factory=list)
    fault_seed: int | None = None
    throttle: bool = False
    record_life: float = RECORD_LIFE
    allow_hosts: tuple[str, ...] = ()
    open: bool = False


class Server:
    """Serves from construction to `close`."""

    def __init__(self, settings: Settings) -> None:
        state = settings.state_dir
        if state:
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            state.chmod(0o700)
        self._lock = StateLock(state) if state else None
        self._http = HttpServer(settings.host, settings.port)
        self.address = self._http.address
        self.key = (ServerKey.kept_in(state) if state else ServerKey.new()).at(self.address)
        if state:
            self.key.write(state / KEY_FILE)
        self._gate = MotoGate(state / "cloud" if state else None)
        clients = CloudClients(self._gate)
        catalog = Catalog(self._gate, clients)
        self._records = Records(state / "tasks.sqlite" if state else None)
        self._events = EventPublisher(self._gate, clients)
        task_keys = TaskKeys()
        endpoints = TaskEndpoints(self._records, task_keys)
        rules = FaultRules(settings.rules, settings.fault_seed)

        def changed(body: dict[str, object]) -> None:
            self._events.task_changed(body)
            if body["lastStatus"] == STATES[-1]:
                endpoints.forget(body)

        self._engine = Engine(
            Parts(
                gate=self._gate,
                catalog=catalog,
                records=self._records,
                clock=Clock(),
                faults=rules,
                runtime=make_runtime(settings, catalog),
                environment=lambda *about: endpoints.environment(self.address, *about),
                on_change=changed,
                record_life=settings.record_life,
            )
        )
        faults = ApiFaults(rules, TokenBuckets() if settings.throttle else None)
        actions = Actions(self._engine, catalog)
        neighbours = Neighbours(self._gate, self._records)
        guard = None if settings.open else Guard(self.key, task_keys)
        application = Application(self._gate, actions, neighbours, faults, endpoints, Admin(rules), guard)
        self._http.serve(Door(application, (settings.host, *settings.allow_hosts)))

    def close(self) -> None:
        """Stop all tasks, answer the last requests, and leave nothing behind."""
        self._engine.close()
        self._events.close()
        self._http.close()
        self._gate.close()
        self._records.close()
        if self._lock:
            self._lock.release()


def make_runtime(settings: Settings, catalog: Catalog) -> Runtime:
    """Return the runtime that the settings name."""
    if settings.runtime == "process":
        return ProcessRuntime(catalog, ImageStore(settings.store) if settings.store else None)
    server = str(settings.state_dir) if settings.state_dir else f"process-{os.getpid()}"
    return ContainerRuntime(settings.runtime, catalog, settings.registry_map, server)


class StateInUseError(RuntimeError):
    """Another server uses the state folder."""


class StateLock:
    """Keeps a second server out of a state folder; the kernel releases it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        import fcntl

        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            message = f"another fargate-local is using {folder}: stop it, or give another --state-dir"
            raise StateInUseError(message) from None

    def release(self) -> None:
        """Release the state folder."""
        os.close(self._file)
