"""The server: all parts put together in one process."""

import logging
import os
import shutil
import socket
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from fargate_local.admin import Admin
from fargate_local.app import Application
from fargate_local.balancing.balancers import Balancers, Dial
from fargate_local.balancing.task_ports import TaskPorts
from fargate_local.clock import Clock
from fargate_local.cloud import alarms, name_services, queues, secret_arns
from fargate_local.cloud.catalog import Catalog
from fargate_local.cloud.clients import CloudClients
from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.cloud.notifications import Notices
from fargate_local.cloud.target_groups import TargetHealth
from fargate_local.cloud_map import CloudMap
from fargate_local.databases import takeover
from fargate_local.databases.authority import Authority
from fargate_local.databases.keeper import Keeper
from fargate_local.deliveries.office import Deliveries
from fargate_local.deliveries.outlets import SmtpServer
from fargate_local.door import Door
from fargate_local.ecs.actions import Actions
from fargate_local.ecs.addresses import Addresses
from fargate_local.ecs.neighbours import Neighbours
from fargate_local.ecs.services import Services
from fargate_local.engine.engine import RECORD_LIFE, Engine, Parts
from fargate_local.engine.pace import Pace
from fargate_local.engine.records import Records
from fargate_local.engine.service_records import ServiceRecords
from fargate_local.engine.task import STATES
from fargate_local.events import EventPublisher
from fargate_local.faults.api import ApiFaults
from fargate_local.faults.buckets import TokenBuckets
from fargate_local.faults.rules import FaultRule, FaultRules
from fargate_local.guard import Guard
from fargate_local.http import HttpServer
from fargate_local.images import ImageStore
from fargate_local.interfaces import Interfaces
from fargate_local.keys import KEY_FILE, ServerKey, TaskKeys
from fargate_local.process_environment import ProcessEnvironment
from fargate_local.registry.registry import Registry
from fargate_local.runtimes.base import Runtime
from fargate_local.runtimes.containers import ContainerRuntime
from fargate_local.runtimes.names import NetworkName, RuntimeName
from fargate_local.runtimes.namespaces import why_not
from fargate_local.runtimes.process import ProcessRuntime
from fargate_local.runtimes.task_networks import Surroundings, TaskNetworks
from fargate_local.service_links import ServiceLinks
from fargate_local.service_scheduler import Around, News, ServiceScheduler
from fargate_local.stacks.extension import Stacks
from fargate_local.stacks.waiting import Judge, StackWaiter
from fargate_local.state import StateLock
from fargate_local.state_machines.executions import StateMachines, objection_to
from fargate_local.state_machines.executions import Surroundings as ExecutionSurroundings
from fargate_local.state_machines.outcomes import Outcomes
from fargate_local.strict import account
from fargate_local.strict.authorizer import Authorizer
from fargate_local.strict.firewall import firewall, reaches
from fargate_local.strict.launches import NEW_ACCOUNT_VCPUS, Launches, may_assume
from fargate_local.strict.network import Network
from fargate_local.strict.services import of_repository
from fargate_local.strict.topics import why_not_published
from fargate_local.targets import TargetRunner
from fargate_local.task_endpoints import TaskEndpoints
from fargate_local.ui.routes import Ui
from fargate_local.ui.sessions import Sessions
from fargate_local.ui.view import View

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How to serve.

    ``record_life`` is in seconds; ``registry_map`` sends pulls for one registry to another; ``allow_hosts`` are names
    of this machine that clients may use besides ``localhost`` and addresses in numbers; an ``open`` server asks for no
    key. A ``strict`` one evaluates IAM for every call, gives tasks only the ways out that their VPC has, and keeps the
    account's quotas, of which ``vcpus`` is one. Tasks start as fast as this machine can, or in Fargate's times
    multiplied by ``start_times``. Mails go to ``smtp``, or else to a folder; notifications to this machine and to the
    hosts ``deliver_to``. With podman each task has a ``network`` of its ``own``, or all have that of the ``host``. Load
    balancers check targets, and wait for them to drain, in their times multiplied by ``elb_times``.
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
    process: ProcessEnvironment = field(default_factory=ProcessEnvironment.current)
    strict: bool = False
    vcpus: float = NEW_ACCOUNT_VCPUS
    start_times: float = 0.0
    smtp: SmtpServer | None = None
    deliver_to: tuple[str, ...] = ()
    network: NetworkName = "own"
    elb_times: float = 1.0


class Server:
    """Serves from construction to `close`."""

    def __init__(self, settings: Settings) -> None:
        state = settings.state_dir
        if state:
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            state.chmod(0o700)
        self._lock = StateLock(state) if state else None
        self._state = state
        self._short_lived: list[Path] = []
        self._http = HttpServer(settings.host, settings.port)
        try:
            self._put_together(settings)
        except BaseException:
            # Its threads would keep a process alive that cannot answer.
            self._http.close()
            raise

    def _put_together(self, settings: Settings) -> None:
        state = settings.state_dir
        self.address = self._http.address
        self.key = (ServerKey.kept_in(state) if state else ServerKey.new()).at(self.address)
        if state:
            self.key.write(state / KEY_FILE)
        stacks = Stacks()
        self._machines = StateMachines(Outcomes(state / "executions.sqlite" if state else None))
        authority = Authority(state / "rds-ca.pem" if state else None)
        networks = make_networks(settings, int(self.address.rpartition(":")[2]))
        self._databases = Keeper(state / "databases" if state else None, authority, networks)
        target_health, notices = TargetHealth(), Notices()
        extensions = [
            account.extend,
            stacks.extend,
            self._machines.extend,
            takeover.extension(self._databases),
            target_health.extend,
            name_services.extend,
            queues.extend,
            secret_arns.extend,
            notices.extend,
            alarms.extend,
        ]
        self._gate = MotoGate(state / "cloud" if state else None, extensions, why_not_published)
        clients = CloudClients(self._gate.handle)
        catalog = Catalog(self._gate, clients)
        self._records = Records(state / "tasks.sqlite" if state else None)
        self._interfaces = Interfaces(self._gate)
        self._events = EventPublisher(self._gate, clients)
        task_keys = TaskKeys()
        endpoints = TaskEndpoints(self._records, task_keys, measures=settings.runtime == "process")
        authorizer = launches = None
        if settings.strict:
            behind = networks.task_behind if networks else None
            authorizer = Authorizer(
                self.key.access_key_id,
                endpoints.caller,
                self._records,
                lambda port, key: behind(port) if behind else endpoints.plan_of(key),
            )
            launches = Launches(authorizer, self._records, Network(), settings.vcpus)
        guard = None if settings.open else Guard(self.key, task_keys)
        registry = Registry(
            self.key,
            clients,
            self._kept("registry"),
            guard.knows if guard else None,
            partial(judged, authorizer) if authorizer else None,
        )
        rules = FaultRules(settings.rules, settings.fault_seed)

        clock = Clock()
        self._service_records = ServiceRecords(state / "services.sqlite" if state else None)
        news = News()
        services = Services(catalog, self._service_records, clock, news.service_changed)

        ports = TaskPorts(own_networks=networks is not None)
        dial: Dial = networks.dial if networks else no_other_network
        self._balancers = Balancers(self._gate, target_health, dial, settings.elb_times, news.service_changed)
        addresses = Addresses(self._databases.addresses)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="names")
        links = ServiceLinks(self._balancers, ports, CloudMap(self._gate), self._threads)
        if networks:
            networks.names = partial(links.answer, networks.listen)

        def changed(body: dict[str, object]) -> None:
            self._events.task_changed(body)
            news.task_changed(body)
            if body["lastStatus"] == STATES[-1]:
                endpoints.forget(body)
                ports.forget(str(body["taskArn"]))
                self._interfaces.task_ended(body)
                addresses.give_back(body)

        self._engine = Engine(
            Parts(
                gate=self._gate,
                catalog=catalog,
                records=self._records,
                clock=clock,
                faults=rules,
                runtime=make_runtime(settings, catalog, networks, registry),
                environment=lambda task, container, ident: ports.environment(
                    task, container, endpoints.environment(self.address, task, container, ident)
                ),
                on_change=changed,
                record_life=settings.record_life,
                pace=Pace(catalog, settings.start_times) if settings.start_times else None,
                before_start=launches.before_start if launches else None,
                before_stop=links.leave,
            )
        )
        faults = ApiFaults(rules, TokenBuckets() if settings.throttle or settings.strict else None)
        actions = Actions(self._engine, catalog, self._interfaces.task_made, services.check, addresses, launches)
        self._targets = TargetRunner(self._gate, clients, catalog, actions.run_task)
        self._scheduler = ServiceScheduler(
            Around(
                news=news,
                records=self._service_records,
                catalog=catalog,
                actions=actions,
                engine=self._engine,
                events=self._events,
                clock=clock,
                links=links,
                settle=services.settle,
            )
        )
        stacks.on_service_wish(services.wish)
        stacks.on_service_question(self._service_records.as_saved)
        self._databases.begin(self._gate)
        self._machines.begin(
            ExecutionSurroundings(
                self.address, clients, partial(objection_to, catalog.has_role, may_assume if settings.strict else None)
            )
        )
        judges: dict[str, Judge] = {
            "AWS::ECS::Service": lambda awaited: services.stability(awaited.physical_id, awaited.since),
            "AWS::RDS::DBInstance": lambda awaited: self._databases.readiness(awaited.region, awaited.physical_id),
        }
        self._stack_waiter = StackWaiter(self._gate, clients, judges)
        neighbours = Neighbours(self._gate, self._records, services)
        sessions = None if settings.open else Sessions()
        admin = Admin(
            rules,
            self._balancers.report,
            authorizer.ledger.report if authorizer else None,
            sessions.new_code if sessions else no_code,
            endpoints.usage,
            lambda: authority.bundle,
        )
        view = View(self._gate, catalog, self._records, self._service_records, rules, actions.stop_task)
        ui = Ui(view, sessions, self._http.port)
        by_name = actions.by_name | services.by_name
        self._deliveries = self._make_deliveries(settings, clients)
        notices.on_notice(self._deliveries.notice)
        application = Application(
            self._gate, by_name, neighbours, faults, endpoints, admin, ui, self._deliveries, registry, guard, authorizer
        )
        self._http.serve(Door(application, (settings.host, *settings.allow_hosts)))

    def _make_deliveries(self, settings: Settings, clients: CloudClients) -> Deliveries:
        secret = self.key.secret_access_key
        return Deliveries(clients, self.address, secret, settings.smtp, self._kept("mail"), settings.deliver_to)

    def _kept(self, name: str) -> Path:
        """Return where files are kept: without a state folder as long as everything else, in one made for the first."""
        if self._state:
            return self._state / name
        folder = Path(tempfile.gettempdir()) / f"fargate-local-{name}-{uuid.uuid4().hex}"
        self._short_lived.append(folder)
        return folder

    def close(self) -> None:
        """Stop all tasks, answer the last requests, and leave nothing behind."""
        self._gate.wait_no_more()
        self._machines.close()
        self._targets.close()
        self._stack_waiter.close()
        self._scheduler.close()
        self._engine.close()
        self._balancers.close()
        self._threads.shutdown()
        self._events.close()
        self._interfaces.close()
        self._http.close()
        self._deliveries.close()
        self._databases.close()
        self._gate.close()
        self._records.close()
        self._service_records.close()
        for folder in self._short_lived:
            shutil.rmtree(folder, ignore_errors=True)
        if self._lock:
            self._lock.release()


def no_code() -> None:
    """Return no code: an open server's page asks for none."""


def judged(authorizer: Authorizer, access_key_id: str, action: str, region: str, repository: str) -> str | None:
    """Return AWS's sentence when the holder of an access key may not do an action of ECR to a repository."""
    return authorizer.objection(access_key_id, of_repository(action, region, repository))


def make_runtime(settings: Settings, catalog: Catalog, networks: TaskNetworks | None, registry: Registry) -> Runtime:
    """Return the runtime that the settings name."""
    if settings.runtime == "process":
        return ProcessRuntime(catalog, ImageStore(settings.store) if settings.store else None, settings.process)
    server = str(settings.state_dir) if settings.state_dir else f"process-{os.getpid()}"
    return ContainerRuntime(
        settings.runtime, catalog, settings.registry_map, server, settings.process, networks, registry
    )


def no_other_network(vpc: str, address: str, kind: socket.SocketKind) -> None:
    """Return no socket: what is to be reached is in this machine's own network."""


def make_networks(settings: Settings, port: int) -> TaskNetworks | None:
    """Return what gives tasks of a server at this port networks of their own; None where they share this machine's."""
    if settings.network == "host" or settings.runtime != "podman":
        return None
    if reason := why_not():
        log.warning("tasks share this machine's network, for they cannot have their own: %s", reason)
        return None
    around = Surroundings((settings.host, port))
    if settings.strict:
        network = Network()
        around = replace(around, firewall=firewall(network), may_reach=partial(reaches, network))
    return TaskNetworks(around)
