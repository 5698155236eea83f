"""Keeps a PostgreSQL behind each database instance of RDS: started, stopped, changed and removed as RDS was asked."""

import logging
import shutil
import tempfile
import threading
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fargate_local.cloud.moto_gate import MotoGate
from fargate_local.databases.authority import Authority
from fargate_local.databases.cluster import Cluster, House, port_in, take_port
from fargate_local.databases.programs import Warded
from fargate_local.databases.wanted import Wanted, all_real, instance_named, wanted_of
from fargate_local.ecs.addresses import address, usable
from fargate_local.loop_thread import LoopThread
from fargate_local.runtimes.task_networks import TaskNetworks

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.1
ATTEMPTS: Final = 3
"""How often a PostgreSQL that does not come up is started, until what is wanted of it changes."""
DEFAULT_PORT: Final = 5432
MANY: Final = 4
"""Database instances that are worked on at a time."""


@dataclass(slots=True)
class Kept:
    """A PostgreSQL, and how far it is."""

    cluster: Cluster
    reached: Wanted | None = None
    """What was wanted when it was last as wanted."""
    failed: Wanted | None = None
    """What it could not become."""
    why: str = ""
    attempts: int = 0
    way: tuple[Wanted, str] | None = None
    """What it was last set on the way to, and what RDS calls that: its files and settings change before it is there."""
    work: "Future[None] | None" = None

    @property
    def busy(self) -> bool:
        """Whether it is being worked on."""
        return self.work is not None and not self.work.done()


class Keeper:
    """Looks at what RDS describes, from a thread of its own, once it was begun."""

    def __init__(self, folder: Path | None, authority: Authority, networks: TaskNetworks | None = None) -> None:
        """Keep the files under `folder`; without one they end with this process.

        With `networks` each instance has an address in its VPC, else all are on this machine's loopback.
        """
        self.networks = networks
        self._seats: dict[str, str] = {}
        self._given = folder
        self._authority = authority
        self._temporary: Path | None = None
        self.live = False
        self._kept: dict[str, Kept] = {}
        self._lock = threading.Lock()
        self._made: House | None = None
        self._closing = threading.Event()
        self._workers = ThreadPoolExecutor(MANY, thread_name_prefix="databases")
        self._thread: threading.Thread | None = None
        self._gate: MotoGate | None = None
        self._looked = False

    def begin(self, gate: MotoGate) -> None:
        """Do what RDS is asked for from now on; what it was asked for before the last stop is there in its files."""
        self._gate, self.live = gate, True
        self._thread = threading.Thread(target=self._run, name="databases", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop every PostgreSQL."""
        self._closing.set()
        if self._thread:
            self._thread.join()
        self._workers.shutdown()
        with ThreadPoolExecutor(MANY) as ending:
            list(ending.map(lambda kept: kept.cluster.stop(), self._kept.values()))
        if self._made:
            self._made.warded.close()
            self._made.thread.close()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """Where the files are."""
        with self._lock:
            if self._given is None and self._temporary is None:
                self._temporary = Path(tempfile.mkdtemp(prefix="fargate-local-databases-"))
            return self._given or self._temporary or Path()

    def port(self, resource_id: str, asked: int | None) -> int:
        """Return the port of an instance; it gets one when it is first asked for.

        While the journal is repeated none is given away: an instance without one is deleted later on.
        """
        if self.networks:
            return asked or DEFAULT_PORT
        folder = self.folder / resource_id
        known = port_in(folder)
        if known is None and self.live:
            return take_port(folder, asked)
        return known or asked or DEFAULT_PORT

    def port_now(self, resource_id: str) -> int | None:
        """Return where an instance on this machine's loopback listens, which may have changed; None for any other."""
        return None if self.networks else port_in(self.folder / resource_id)

    def seat(self, resource_id: str, block: str) -> str:
        """Return the address of an instance in a subnet: the same whenever it is asked for, and nobody else's."""
        taken = self._seats.values()
        first = zlib.crc32(resource_id.encode())
        choices = (address(block, first + number) for number in range(usable(block)))
        self._seats[resource_id] = next((each for each in choices if each not in taken), address(block, first))
        return self._seats[resource_id]

    def addresses(self) -> frozenset[str]:
        """Return the addresses that instances have."""
        return frozenset(tuple(self._seats.values()))

    def status(self, wanted: Wanted) -> str:
        """Return the `DBInstanceStatus` of an instance (RDS user guide, "Viewing Amazon RDS DB instance status")."""
        kept = self._kept.get(wanted.resource_id)
        if kept is None:
            return self._way(None, wanted)
        if kept.failed == wanted:
            return "failed"
        busy = kept.busy
        if busy and kept.way and kept.way[0] == wanted:
            return kept.way[1]
        if kept.reached == wanted and not busy and kept.cluster.running != wanted.stopped:
            return "stopped" if wanted.stopped else "available"
        return self._way(kept.reached, wanted)

    def _way(self, reached: Wanted | None, wanted: Wanted) -> str:
        if reached is None:
            ready = (self.folder / wanted.resource_id / "ready").exists()
            return ("stopped" if wanted.stopped else "starting") if ready else "creating"
        return transition(reached, wanted)

    def readiness(self, region: str, identifier: str) -> str | None:
        """Return nothing while an instance is on its way, an empty text once it is available, or why it will not be."""
        with self._held().held():
            instance = instance_named(region, identifier)
            status = instance.status if instance else "deleted"
            kept = self._kept.get(instance.dbi_resource_id) if instance else None
        if status in ("failed", "deleted"):
            return f"DB instance {identifier} is {status}: {kept.why if kept else 'it is not there'}"
        return "" if status in ("available", "stopped") else None

    @property
    def _house(self) -> House:
        with self._lock:
            if self._made is None:
                thread = LoopThread("databases-loop")
                self._made = House(thread, Warded(thread), self._authority, self.networks)
            return self._made

    def _run(self) -> None:
        while not self._closing.wait(TICK_SECONDS):
            try:
                with self._held().held():
                    wanted = {each.dbi_resource_id: wanted_of(each) for each in all_real()}
                    self._seats = {name: seat for name, seat in self._seats.items() if name in wanted}
                self._attend_to(wanted)
            except Exception:
                log.exception("the databases could not be looked at")

    def _held(self) -> MotoGate:
        if self._gate is None:
            message = "the keeper has not begun"
            raise RuntimeError(message)
        return self._gate

    def _attend_to(self, wanted: dict[str, Wanted]) -> None:
        forgotten = [] if self._looked else self._forgotten(wanted)
        for resource_id in [*self._kept, *forgotten]:
            kept = self._kept.get(resource_id) or self._new(resource_id)
            if resource_id not in wanted and not kept.busy:
                self._kept.pop(resource_id, None)
                self._workers.submit(kept.cluster.remove)
        for resource_id, want in wanted.items():
            kept = self._kept.get(resource_id) or self._kept.setdefault(resource_id, self._new(resource_id))
            as_wanted = kept.reached == want and kept.cluster.running != want.stopped
            if not as_wanted and kept.failed != want and not kept.busy:
                kept.way = (want, self._way(kept.reached, want))
                kept.work = self._workers.submit(self._reach, kept, want)

    def _forgotten(self, wanted: dict[str, Wanted]) -> list[str]:
        """Return the folders of instances that were deleted while a server was being killed."""
        given, self._looked = self._given, True
        if given is None or not given.is_dir():
            return []
        return [path.name for path in given.iterdir() if path.name not in wanted]

    def _new(self, resource_id: str) -> Kept:
        return Kept(Cluster(self.folder / resource_id, self._house))

    def _reach(self, kept: Kept, want: Wanted) -> None:
        """Let a PostgreSQL become what is wanted."""
        try:
            reached = kept.reached
            if want.stopped or (reached and reached.reboots != want.reboots):
                kept.cluster.stop()
            if not want.stopped:
                if kept.cluster.running:
                    kept.cluster.set_up(want)
                else:
                    kept.cluster.start(want)
            kept.reached, kept.failed, kept.attempts = want, None, 0
        except Exception as error:
            kept.attempts += 1
            log.warning(
                "database instance %s: %s", want.identifier, error, exc_info=not isinstance(error, RuntimeError)
            )
            if kept.attempts >= ATTEMPTS:
                kept.failed, kept.why, kept.attempts = want, str(error), 0


def transition(reached: Wanted | None, wanted: Wanted) -> str:
    """Return what RDS calls the way from what an instance was to what is wanted of it."""
    if wanted.stopped:
        return "stopping"
    if reached is None or reached.stopped:
        return "starting"
    if reached.reboots != wanted.reboots:
        return "rebooting"
    if (reached.user, reached.password) != (wanted.user, wanted.password):
        return "resetting-master-credentials"
    return "modifying" if reached != wanted else "starting"
