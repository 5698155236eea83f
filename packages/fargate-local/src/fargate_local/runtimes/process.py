"""The `process` runtime: an image is a folder, a container is a process group on this machine.

Two kinds of image name work: `host` runs a program of this machine as it is; a repository of (moto's) ECR is looked up
there and found in the image store by its digest. In the command, the working directory and the environment of a stored
image, `/app` means the image's own folder; the mount path of a volume means the volume's.
"""

import errno
import re
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

from fargate_local.cloud.catalog import Catalog
from fargate_local.images import ImageStore
from fargate_local.process_environment import SYSTEM_PATH, ProcessEnvironment
from fargate_local.protocol import reasons
from fargate_local.protocol.errors import StartError
from fargate_local.protocol.plan import ContainerPlan, TaskPlan
from fargate_local.runtimes.base import Ending, Exit, Image, SendSignal, Spawn
from fargate_local.runtimes.references import parse_reference
from fargate_local.runtimes.volumes import Volumes

HOST_IMAGE = "host"
TEMPORARY = "/tmp"  # noqa: S108 - the container's
BEFORE_PATH = r"(?<![^\s=:,;'\"(\[<>|&])"
AFTER_PATH = r"(?=$|[/\s:,;'\")\]<>|&])"


class ProcessRuntime:
    """Containers as process groups, with this machine's file system and the user that started the server."""

    judges_slowly = False
    writes_in_order = True
    has_networks = False

    def __init__(self, catalog: Catalog, store: ImageStore | None, process: ProcessEnvironment) -> None:
        self._catalog = catalog
        self._store = store
        self._process = process
        self._volumes = Volumes()

    def pull(self, region: str, reference: str) -> Image:
        """Find the image's folder.

        Raises:
            StartError: There is none; the text is ECS's.
        """
        if reference.partition(":")[0] == HOST_IMAGE:
            return Image(None, "", {})
        parsed = parse_reference(reference)
        if parsed.ecr_region is None:
            detail = "the process runtime supports no registry but ECR; use an ECR repository or the image 'host'"
            raise StartError(reasons.pull_failed(reference, detail))
        digest = self._catalog.image_digest(parsed.ecr_region, parsed.repository, parsed.tag, parsed.digest)
        if digest is None:
            raise StartError(reasons.pull_failed(reference, f"{reference}: not found"))
        if self._store is None or not self._store.has(digest):
            where = self._store.root if self._store else "none was given; start with --store"
            detail = f"ECR has it as {digest}, but the image store ({where}) has no such image; build it again"
            raise StartError(reasons.pull_failed(reference, detail))
        return Image(digest, str(self._store.path(digest)), self._store.config(digest))

    def connect(self, task: TaskPlan) -> None:
        """Leave the task on this machine's network."""

    def spawn(self, task: TaskPlan, container: ContainerPlan, image: Image, environment: dict[str, str]) -> Spawn:
        """Return the command, with the paths of the image and of its volumes replaced by their folders."""
        argv = command_line(container, image)
        directory = container.working_directory or image.config.get("WorkingDir") or "/"
        places = {"/app": f"{image.place}/app"} if image.place else {}
        for mount in container.mounts:
            path = mount.path.rstrip("/")
            # /tmp stays the machine's: arguments may name files there that have nothing to do with the container.
            if path and path != TEMPORARY:
                places[path] = str(self._volumes.folder(task.task_id, mount.volume))
        merged = {**base_environment(image, self._process), **environment}
        if places:
            argv = [moved(word, places) for word in argv]
            directory = moved(directory, places)
            merged = {name: moved(value, places) for name, value in merged.items()}
        return Spawn(argv, merged, directory, container.memory, task.memory, container.ulimits, places)

    def probe(self, ident: str, spawn: Spawn, argv: tuple[str, ...], environment: dict[str, str]) -> Spawn:
        """Return another process with the container's environment, whose memory counts as its task's."""
        del ident, environment
        return replace(spawn, argv=[moved(word, spawn.places) for word in argv], limit=None, probe=True)

    def release(self, task: TaskPlan) -> None:
        """Remove the folders of the task's volumes."""
        if any(container.mounts for container in task.containers):
            self._volumes.release(task.task_id)

    def send_signal(self, ident: str, number: signal.Signals, send: SendSignal) -> None:
        """Signal the process, which is the container."""
        send(ident, number)

    def cannot_start(self, spawn: Spawn, errno_: int, message: str) -> str:
        """Return the reason in runc's words."""
        program = spawn.argv[0]
        if errno_ == errno.ENOENT and not Path(spawn.directory).is_dir():
            detail = f'chdir to cwd ("{spawn.directory}") set in config.json failed: no such file or directory'
        elif errno_ == errno.ENOENT and "/" not in program:
            detail = f'exec: "{program}": executable file not found in $PATH'
        else:
            detail = f'exec: "{program}": stat {program}: {message.lower()}'
        return f"{reasons.START_PREFIX} {detail}: unknown"

    def judge(self, ident: str, container: ContainerPlan, end: Exit, *, asked_to_stop: bool) -> Ending:
        """Return the ending as the warden saw it."""
        del ident, container, asked_to_stop
        return Ending(end.code, end.out_of_memory)

    def end_leftovers(self) -> None:
        """Remove leftover volumes; leftover processes are killed by their recorded ids."""
        self._volumes.end_leftovers()

    def close(self) -> None:
        """Nothing is shared."""


def command_line(container: ContainerPlan, image: Image) -> list[str]:
    """Return entry point and command: the task's, else the image's.

    A task's entry point drops the image's command.

    Raises:
        StartError: There is nothing to run.
    """
    entry = container.entry_point
    command = container.command
    if command is None and entry is None:
        command = tuple(image.config.get("Cmd") or ())
    if entry is None:
        entry = tuple(image.config.get("Entrypoint") or ())
    argv = [*entry, *(command or ())]
    if not argv:
        raise StartError("CannotCreateContainerError: no command specified", container.name)
    return argv


def base_environment(image: Image, process: ProcessEnvironment) -> dict[str, str]:
    """Return what every container of the image has before the task's own variables."""
    if not image.place:
        return {"PATH": process.path, "HOME": str(Path.home())}
    declared = dict(pair.partition("=")[::2] for pair in image.config.get("Env") or ())
    own = "/app/.venv/bin"
    path = declared.pop("PATH", SYSTEM_PATH)
    if not path.startswith(own):
        path = f"{own}:{path}"
    # The folder is shared by all containers of the image, so nobody may leave byte code in it.
    scratch = tempfile.gettempdir()
    return {"PATH": path, "HOME": scratch, "TMPDIR": scratch, "PYTHONDONTWRITEBYTECODE": "1", **declared}


def moved(text: str, places: dict[str, str]) -> str:
    """Return the text with paths of the container replaced by the places they have on this machine."""
    if not any(path in text for path in places):
        return text
    paths = "|".join(re.escape(path) for path in sorted(places, key=len, reverse=True))
    return re.sub(f"{BEFORE_PATH}({paths}){AFTER_PATH}", lambda found: places[found[1]], text)
