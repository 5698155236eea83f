"""Builds the Dockerfiles with docker or podman and pushes them to the registry."""

import platform
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.error import HTTPError

from datavision.config import Config
from datavision.environment import Environment
from datavision.images.base import has_digest, without_tag
from datavision.images.engine_endpoint import EngineEndpoint, engine_endpoint
from datavision.images.errors import BuildError, ImageError, RegistryError
from datavision.images.recipe import Invocation, Stamp
from datavision.images.registry import RegisteredImage, Registry, manifest_digest
from datavision.images.source import ModuleSource
from datavision.process_environment import ProcessEnvironment

_LAYER_TIME = "315532800"
"""Unix seconds, 1980: the time of every file. With the time of a build or its commit, a machine of CI that never built
would make dependencies that nobody changed into a new layer, and ECR would store all of them again each time."""
_STEP = re.compile(r"^(\[\d+/\d+\] )?STEP \d+/\d+: |^#\d+ \[")
_MANIFEST_TYPES = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class ContainerBuilder:
    """Builds with a container engine; a push goes to ECR, or to `images.registry`."""

    def __init__(
        self, config: Config, project: Path, registry: Registry, engine: str, report: Callable[[str], None]
    ) -> None:
        """Use `engine` (docker or podman); `report` gets each build step as it starts."""
        self.engine = engine
        self._config = config
        self._project = project
        self._registry = registry
        self._report = report
        self._known_endpoint: EngineEndpoint | None = None

    def recipe(self) -> dict[str, str]:
        """Return what determines a build's outcome besides the source."""
        return {
            "engine": "container",
            "base": self._config.images.base_image,
            "machine": self._config.ecs.cpu_architecture,
        }

    def build(self, source: ModuleSource, stamp: Stamp) -> str:
        """Build and return the local name of the image.

        Raises:
            BuildError: a step failed; the text is that step and its output.
            ImageError: on AWS, the base image is not named by digest.
        """
        self._require_base_by_digest()
        name = f"localhost/datavision/{source.module}:{source.hash[:24]}"
        arguments = {
            "BASE_IMAGE": without_tag(self._config.images.base_image),
            "VERSION": stamp.version,
            "REVISION": stamp.commit,
            "SOURCE": stamp.origin,
            "SOURCE_HASH": source.hash,
            "CREATED": source.created,
        }
        command = [
            self.engine, "build",
            "--file", str(source.dockerfile.relative_to(self._project)),
            "--platform", f"linux/{_machine(self._config.ecs.cpu_architecture)}",
            "--tag", name,
            *(part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")),
            *certificates(),
            *layer_options(self.engine),
        ]  # fmt: skip
        self._run_build(source.module, [*command, "."])
        return name

    def _require_base_by_digest(self) -> None:
        base, env = self._config.images.base_image, self._config.env
        if Environment(self._config).embedded_url is None and not has_digest(base):
            raise ImageError(
                f"The base image {base} is a tag, which somebody may move. Run `datavision image base --env {env}`, "
                f"which writes its digest into config/{env}.toml, and commit that."
            )

    def push(self, built: str, repository: str, tag: str) -> RegisteredImage:
        """Push and return the image as the registry has it.

        Raises:
            RegistryError: The image is not in the registry after the push.
            BuildError: The push failed.
        """
        endpoint = self._endpoint()
        target = f"{endpoint.host}/{repository}:{tag}"
        self._engine("tag", built, target)
        compression = ["--compression-format", "zstd"] if self.engine == "podman" else []
        self._engine("push", *compression, *self._insecure(endpoint), target)
        self._engine("rmi", "--no-prune", target)
        if self._config.images.registry is None:
            return self._registry.require(repository, tag)
        manifest = self._fetch(repository, tag)
        if manifest is None:
            raise RegistryError(f"{target} is not in the registry after its push. Release again.")
        return self._registry.put(repository, tag, manifest)

    def describe(self, built: str) -> str:
        """Return the local image name."""
        return built

    def invocation(self, built: str, command: Sequence[str]) -> Invocation:
        """Return the engine's command line: read-only but for /tmp, as ECS runs it."""
        terminal = ["--interactive", "--tty"] if sys.stdin.isatty() else []
        flags = ["--rm", "--read-only", "--tmpfs", "/tmp", *terminal]  # noqa: S108 - inside the container
        return Invocation((self.engine, "run", *flags, built, *command), {}, self._project)

    def available(self, image: RegisteredImage) -> bool:
        """Return whether the image's content exists, not only its record in the registry."""
        if self._config.images.registry is None:
            # On AWS no image is without its layers; the embedded cloud has records of folders, too.
            return not Environment(self._config).runs_folders or self._registry.has_layers(image)
        manifest = self._fetch(image.repository, image.digest)
        return manifest is not None and manifest_digest(manifest) == image.digest

    def discard(self, digest: str) -> int:
        """Remove this machine's copy of the image, if there is one; return 0, because engines share layers."""
        names = self._engine("images", "--quiet", "--filter", f"digest={digest}").split()
        if names:
            self._engine("rmi", "--force", *names)
        return 0

    def tidy(self, keep: int) -> int:
        """Leave the engine's build cache to the engine."""
        return 0

    def _fetch(self, repository: str, reference: str) -> str | None:
        host = str(self._config.images.registry)
        scheme = "http" if host.partition(":")[0] in {"127.0.0.1", "localhost"} else "https"
        request = urllib.request.Request(  # noqa: S310 - the registry that the configuration names
            f"{scheme}://{host}/v2/{repository}/manifests/{reference}", headers={"Accept": _MANIFEST_TYPES}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
                text: str = answer.read().decode()
                return text
        except HTTPError as error:
            if error.code == 404:
                return None
            raise RegistryError(
                f"{host} answered {error.code} for {repository}:{reference}. Check the registry."
            ) from None
        except OSError as error:
            raise RegistryError(
                f"The registry {host} does not answer ({error}). Start it, or correct images.registry."
            ) from None

    def _endpoint(self) -> EngineEndpoint:
        """Return where to push; the engine is logged in there."""
        if self._known_endpoint is None:
            endpoint = engine_endpoint(self._config)
            if endpoint.password:
                options = ["--username", endpoint.user, "--password-stdin", *self._insecure(endpoint)]
                self._engine("login", *options, endpoint.host, stdin=endpoint.password)
            self._known_endpoint = endpoint
        return self._known_endpoint

    def _insecure(self, endpoint: EngineEndpoint) -> list[str]:
        # Docker takes loopback addresses for plain HTTP by itself, and has no such option.
        return endpoint.insecure() if self.engine == "podman" else []

    def _engine(self, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [self.engine, *arguments], input=stdin, capture_output=True, text=True, check=False, cwd=self._project
        )
        if done.returncode != 0:
            raise BuildError(f"{self.engine} {arguments[0]} failed (exit {done.returncode}):\n{done.stderr.strip()}")
        return done.stdout

    def _run_build(self, module: str, command: Sequence[str]) -> None:
        lines: list[str] = []
        with subprocess.Popen(
            command,
            cwd=self._project,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**ProcessEnvironment.current().inherited, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"},
        ) as build:
            for line in build.stdout or ():
                lines.append(line.rstrip("\n"))
                if _STEP.match(line):
                    self._report(f"{module}: {line.strip()[:100]}")
        if build.returncode != 0:
            raise BuildError(f"{self.engine} could not build {module}:\n" + "\n".join(failing_step(lines)))


def failing_step(lines: Sequence[str]) -> list[str]:
    """Return the part of a build's output that belongs to its last step."""
    starts = [number for number, line in enumerate(lines) if _STEP.match(line)]
    return list(lines[starts[-1] :]) if starts else list(lines)


def layer_options(engine: str) -> list[str]:
    """Return what makes an engine's image the one that is pushed and, with podman, the same for the same content."""
    if engine == "podman":
        return ["--format", "oci", "--timestamp", _LAYER_TIME]
    # Otherwise buildx pushes an index with provenance, whose digest is not the one that ECS reports.
    return ["--provenance=false", "--sbom=false"]


def certificates() -> list[str]:
    """Behind a company's proxy its certificates are needed to build; as a secret they stay out of every layer."""
    path = ProcessEnvironment.current().certificates
    return ["--secret", f"id=ca,src={path}"] if path and Path(path).is_file() else []


def _machine(architecture: str) -> str:
    return {"X86_64": "amd64", "ARM64": "arm64"}.get(architecture, platform.machine())
