"""The `podman` and `docker` runtimes: the real image by digest, run by the engine's command line.

A task has a network of its own, where the server's loopback address works, too, or shares this machine's. Files, user,
limits and capabilities are as on Fargate; memory and CPU limits are the task's.
"""

import hashlib
import json
import logging
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fargate_local import private_files
from fargate_local.cloud.catalog import Catalog
from fargate_local.process_environment import ProcessEnvironment
from fargate_local.protocol import reasons
from fargate_local.protocol.errors import StartError
from fargate_local.protocol.plan import ContainerPlan, TaskPlan
from fargate_local.runtimes.base import Ending, Exit, Image, OwnRegistry, SendSignal, Spawn
from fargate_local.runtimes.engine_files import EngineFiles
from fargate_local.runtimes.engine_options import capabilities, likeness, limits
from fargate_local.runtimes.names import RuntimeName
from fargate_local.runtimes.namespaces import FOLDER
from fargate_local.runtimes.references import Reference, parse_reference
from fargate_local.runtimes.task_networks import TaskNetworks
from fargate_local.runtimes.vpc_network import RESOLVER

log = logging.getLogger(__name__)

LABEL = "fargate-local.server"
ANSWER_SECONDS = 600.0
"""How long the engine may take: its storage has one lock, which a build or another pull can hold for minutes."""
KILL_SECONDS = 30.0
PULL_TRIES = 5
PULL_PAUSE = 0.25
"""Seconds before the second try, twice as many before each further one; ECS's agent counts its tries in its text."""
LASTING = (
    "not found",
    "manifest unknown",
    "name unknown",
    "unauthorized",
    "denied",
    "invalid reference",
    "not installed",
)
"""What is said where another try changes nothing."""
ENGINE_FAILED = 125
NEVER_RAN = (ENGINE_FAILED, 126, 127)
"""Exit codes of `podman run` and `docker run` about a command that did not start (podman-run(1), "Exit Status")."""
KILLED = 137
NEVER = "0001-01-01"


@dataclass(frozen=True, slots=True)
class Options:
    """What a pull is told besides its image."""

    of_engine: tuple[str, ...] = ()
    of_pull: tuple[str, ...] = ()


class ContainerRuntime:
    """The containers of one engine, told from other people's by a label with this server's name."""

    judges_slowly = True
    # The engine's client copies the two in pieces that need not be lines.
    writes_in_order = False

    def __init__(
        self,
        engine: RuntimeName,
        catalog: Catalog,
        registry_map: dict[str, str],
        server: str,
        process: ProcessEnvironment,
        networks: TaskNetworks | None = None,
        registry: OwnRegistry | None = None,
    ) -> None:
        """Run containers with `engine`; without `networks` they share this machine's.

        Images that `registry` has are pulled from there.
        """
        self._engine = engine
        self._networks = networks
        self.has_networks = networks is not None
        self._own = process.engine
        self._catalog = catalog
        self._registry_map = registry_map
        self._registry = registry
        self._label = f"{LABEL}={server}"
        self._volumes = f"fargate-local-{hashlib.sha256(server.encode()).hexdigest()[:12]}"
        self._files = EngineFiles()
        self._folders: dict[str, str] = {}
        self._pulls: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def pull(self, region: str, reference: str) -> Image:
        """Pull by digest; an image that is already here is not pulled again.

        Raises:
            StartError: It cannot be had; the text is ECS's.
        """
        parsed = parse_reference(reference)
        digest = parsed.digest
        if parsed.ecr_region is not None:
            digest = self._catalog.image_digest(parsed.ecr_region, parsed.repository, parsed.tag, parsed.digest)
            if digest is None:
                raise StartError(reasons.pull_failed(reference, f"{reference}: not found"))
        own = self._own_host(parsed, digest)
        name = self._source(parsed, digest, own)
        if not name[0].isalnum():
            # The engine would take it for an option.
            raise StartError(reasons.pull_failed(reference, "invalid reference format"))
        with self._lock:
            one_at_a_time = self._pulls.setdefault(name, threading.Lock())
        with one_at_a_time:
            found = self._found(name)
            if found is None:
                with self._credentials(parsed, own) as options:
                    self._fetch(reference, name, options)
                found = self._found(name)
        if found is None:
            raise StartError(reasons.pull_failed(reference, f"{self._engine} does not know the image it pulled"))
        config, size = found
        if parsed.ecr_region is not None:
            size += self._catalog.image_bytes(parsed.ecr_region, parsed.repository, parsed.tag, digest)
        return Image(digest, name, config, size)

    def _found(self, name: str) -> tuple[dict[str, Any], int] | None:
        """Return what the image says of itself, and its uncompressed size in bytes; None if it is not here."""
        inspected = self._run("image", "inspect", "--format", "{{json .Config}}\n{{.Size}}", name)
        if inspected.returncode != 0:
            return None
        config, _, size = inspected.stdout.strip().partition("\n")
        return json.loads(config), int(size or 0)

    def _fetch(self, reference: str, name: str, options: Options) -> None:
        """Pull, and again where the registry or the engine may answer better the next time.

        Raises:
            StartError: It cannot be had; the text is ECS's.
        """
        for tried in range(1, PULL_TRIES + 1):
            pulled = self._run(*options.of_engine, "pull", "--quiet", *options.of_pull, name)
            if pulled.returncode == 0:
                return
            said = last_line(pulled.stderr)
            if tried == PULL_TRIES or any(word in said.lower() for word in LASTING):
                raise StartError(reasons.pull_failed(reference, said, retried=tried))
            time.sleep(PULL_PAUSE * 2 ** (tried - 1))

    def _own_host(self, parsed: Reference, digest: str | None) -> str | None:
        """Return this server's registry when it has the image, None when it does not or the map says otherwise."""
        registry, region = self._registry, parsed.ecr_region
        if registry is None or region is None or digest is None or parsed.registry in self._registry_map:
            return None
        return registry.host if registry.has(region, parsed.repository, digest) else None

    @contextmanager
    def _credentials(self, parsed: Reference, own: str | None) -> Iterator[Options]:
        """Yield options for a pull: from this server's registry, with a file of credentials that is gone afterwards."""
        if own is None or self._registry is None:
            yield Options()
            return
        auth = {"auth": self._registry.credentials(str(parsed.ecr_region))}
        with tempfile.TemporaryDirectory(prefix="fargate-local-pull-") as folder:
            path = Path(folder) / "config.json"
            private_files.write(path, json.dumps({"auths": {own: auth}}))
            if self._engine == "podman":
                yield Options(of_pull=("--tls-verify=false", "--authfile", str(path)))
            else:
                # Docker takes loopback addresses for insecure by itself; its own folder says where its daemon is.
                daemon = self._run("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").stdout.strip()
                yield Options(of_engine=("--config", folder, *(("--host", daemon) if daemon else ())))

    def _source(self, parsed: Reference, digest: str | None, own: str | None) -> str:
        """Return where the engine really pulls from."""
        registry = own or self._registry_map.get(parsed.registry, parsed.registry)
        name = f"{registry}/{parsed.repository}" if registry else parsed.repository
        return f"{name}@{digest}" if digest else f"{name}:{parsed.tag or 'latest'}"

    def connect(self, task: TaskPlan) -> None:
        """Give the task its address in its VPC, and its volumes.

        Raises:
            StartError: It cannot have them.
        """
        if self._networks:
            self._networks.connect(task)
            self._files.write_hosts(task, host_name(task))
        for name in self._volumes_of(task):
            self._make_volume(name)

    def _make_volume(self, name: str) -> None:
        """Make a volume, and remember its folder: empty, and root's with mode 0755.

        Raises:
            StartError: The engine cannot.
        """
        made = self._run("volume", "create", name)
        found = self._run("volume", "inspect", "--format", "{{.Mountpoint}}", name) if not made.returncode else made
        if found.returncode:
            message = f"CannotCreateVolumeError: create {name}: {last_line(found.stderr)}"
            raise StartError(message)
        self._folders[name] = found.stdout.strip()

    def spawn(self, task: TaskPlan, container: ContainerPlan, image: Image, environment: dict[str, str]) -> Spawn:
        """Return a `run` in the foreground: its output and its exit code are the container's."""
        ident = environment["ECS_CONTAINER_METADATA_URI_V4"].rsplit("/", 1)[-1]
        argv = [
            *(self._engine, *self._hooks(), "run", "--name", container_name(ident), "--label", self._label),
            *self._network(task),
            *("--memory", str(container.memory or task.memory)),
            *("--cpus", f"{(container.cpu or task.cpu) / 1024:.3f}"),
            *self._mounts(task, container, image),
            *limits(container),
            *capabilities(self._engine, container, image.config),
            *likeness(self._engine, image.config),
        ]
        if container.read_only:
            argv.append("--read-only")
        if container.user:
            argv += ["--user", container.user]
        if container.working_directory:
            argv += ["--workdir", container.working_directory]
        if container.entry_point is not None:
            argv += ["--entrypoint", json.dumps(list(container.entry_point)) if self._engine == "podman" else ""]
        # Values travel in the client's environment, for arguments are for everyone to read in the process table; only
        # the few names that the client needs for itself cannot.
        for name, value in environment.items():
            argv += ["--env", f"{name}={value}" if name in self._own else name]
        words = list(container.command or ())
        if container.entry_point is not None and self._engine == "docker":
            words = [*container.entry_point, *words]
        return Spawn([*argv, image.place, *words], {**environment, **self._own}, "/")

    def _hooks(self) -> list[str]:
        """Return the engine's option for what happens to each container at its start; only root's podman takes it."""
        return ["--hooks-dir", str(self._files.hooks)] if self._engine == "podman" and os.geteuid() == 0 else []

    def _network(self, task: TaskPlan) -> list[str]:
        """Return options for the network that the task's containers share."""
        if self._networks is None:
            return ["--network", "host"]
        place = FOLDER / self._networks.namespace(task)
        return [
            *("--network", f"ns:{place}", "--dns", RESOLVER, "--hostname", host_name(task)),
            *("--no-hosts", "--volume", f"{self._files.hosts(task)}:/etc/hosts"),
        ]

    def _mounts(self, task: TaskPlan, container: ContainerPlan, image: Image) -> list[str]:
        """Return options for the volumes that the task's containers share.

        Developer guide, "Use bind mounts with Amazon ECS": what an image has at a path, and whose it is, a volume takes
        over where the image declares the path as a `VOLUME`; otherwise it stays empty and root's.
        """
        declared = {path.rstrip("/") for path in image.config.get("Volumes") or ()}
        words = []
        for mount in container.mounts:
            place, options = self._volume(task, mount.volume), ["ro"] if mount.read_only else ["rw"]
            if mount.path.rstrip("/") not in declared:
                # By its name podman gives a volume to the owner of the path, though it copies nothing into it.
                place = self._folders[place] if self._engine == "podman" else place
                options += [] if self._engine == "podman" else ["nocopy"]
            words += ["--volume", f"{place}:{mount.path}:{','.join(options)}"]
        return words

    def _volumes_of(self, task: TaskPlan) -> list[str]:
        """Return the engine's names of the volumes that a task's containers mount."""
        return sorted({self._volume(task, mount.volume) for each in task.containers for mount in each.mounts})

    def _volume(self, task: TaskPlan, name: str) -> str:
        return f"{self._volumes}-{task.task_id}-{name}"

    def probe(self, ident: str, spawn: Spawn, argv: tuple[str, ...], environment: dict[str, str]) -> Spawn:
        """Return an `exec` in the container."""
        del environment
        return Spawn([self._engine, "exec", container_name(ident), *argv], spawn.environment, "/", probe=True)

    def release(self, task: TaskPlan) -> None:
        """Remove the task's volumes and its network."""
        if self._networks:
            self._networks.disconnect(task)
            self._files.remove_hosts(task)
        if names := self._volumes_of(task):
            self._run("volume", "rm", "--force", *names, timeout=KILL_SECONDS)
            for name in names:
                self._folders.pop(name, None)

    def send_signal(self, ident: str, number: signal.Signals, send: SendSignal) -> None:
        """Signal the container; the foreground client forwards SIGTERM, but SIGKILL would only kill the client."""
        if number != signal.SIGKILL:
            send(ident, number)
            return
        threading.Thread(target=self._kill, args=(ident,), name="kill", daemon=True).start()

    def _kill(self, ident: str) -> None:
        self._run("kill", "--signal", "KILL", container_name(ident), timeout=KILL_SECONDS)

    def cannot_start(self, spawn: Spawn, errno: int, message: str) -> str:
        """Return the reason when the engine's command line itself is missing."""
        del errno
        return f"{reasons.START_PREFIX} {spawn.argv[0]}: {message}; install it or serve with another --runtime"

    def judge(self, ident: str, container: ContainerPlan, end: Exit, *, asked_to_stop: bool) -> Ending:
        """Interpret the engine's record of the container, and remove it."""
        name = container_name(ident)
        inspected = self._run("container", "inspect", "--format", "{{json .State}}", name)
        state = json.loads(inspected.stdout) if inspected.returncode == 0 else {}
        self._run("rm", "--force", "--volumes", name, timeout=KILL_SECONDS)
        # What its foreground command exits with is the container's own code, save for the three that may mean either;
        # where the engine does not answer, they mean that it never ran.
        if end.code in NEVER_RAN and str(state.get("StartedAt", NEVER)).startswith(NEVER):
            program = (container.entry_point or container.command or ("the image's command",))[0]
            said = state.get("Error") or f'{self._engine} could not run "{program}"; the container\'s log says why'
            return Ending(end.code, never_ran=f"{reasons.START_PREFIX} {said}")
        code = int(state.get("ExitCode", end.code)) if end.code in NEVER_RAN else end.code
        # Podman never fills in OOMKilled, and an unrequested 137 is almost always the kernel's doing.
        return Ending(code, bool(state.get("OOMKilled")) or (code == KILLED and not asked_to_stop))

    def end_leftovers(self) -> None:
        """Remove containers that an earlier server with the same state left behind."""
        listed = self._run("ps", "--all", "--quiet", "--filter", f"label={self._label}")
        if listed.returncode == 0 and listed.stdout.split():
            self._run("rm", "--force", "--volumes", *listed.stdout.split(), timeout=KILL_SECONDS)
        volumes = self._run("volume", "ls", "--quiet", "--filter", f"name={self._volumes}-")
        if volumes.returncode == 0 and volumes.stdout.split():
            self._run("volume", "rm", "--force", *volumes.stdout.split(), timeout=KILL_SECONDS)
        self._files.end_leftovers()
        if self._networks:
            self._networks.end_leftovers()

    def close(self) -> None:
        """Remove the networks of VPCs."""
        self._files.close()
        if self._networks:
            self._networks.close()

    def _run(self, *words: str, timeout: float = ANSWER_SECONDS) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(
                [self._engine, *words],
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError:
            return subprocess.CompletedProcess(words, ENGINE_FAILED, "", f"{self._engine} is not installed")
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, ENGINE_FAILED, "", f"{self._engine} {words[0]} timed out")


def host_name(task: TaskPlan) -> str:
    """Return the name by which a task knows itself."""
    return f"ip-{task.address.replace('.', '-')}.ec2.internal"


def container_name(ident: str) -> str:
    """Return the engine's name for a container."""
    return f"fargate-local-{ident}"


def last_line(text: str) -> str:
    """Return the last line of an engine's output."""
    return text.strip().rpartition("\n")[2] or "unknown error"
