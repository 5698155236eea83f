"""The embedded cloud as a child process: `fargate-local serve` with its state in the state folder."""

import shutil
import sys
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from datavision.local.processes import Service
from datavision.process_environment import ProcessEnvironment
from datavision.state import embedded_credentials
from fargate_local import ServerKey
from fargate_local.ports import free_port

START_SECONDS = 60


class Cloud:
    """`fargate-local serve`, from start to stop."""

    def __init__(self, state: Path, env: Mapping[str, str], runtime: str) -> None:
        """Start it with tasks running as `runtime` (process, podman or docker); `wait` returns when it answers."""
        port = free_port()
        scratch = state / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{port}"
        # Known before the server is up: Airflow is launched beside it and signs with the same key.
        ServerKey.kept_in(state / "cloud").at(self.url).write(state / "cloud" / "key.json")
        command = [
            console_script("fargate-local"), "serve",
            "--port", str(port),
            "--state-dir", str(state / "cloud"),
            "--store", str(image_store(state)),
            "--runtime", runtime,
            # Source and lakehouse are on this machine's loopback addresses.
            "--network", "host",
        ]  # fmt: skip
        # Tasks' temporary files are part of the state, not of the machine's /tmp.
        tasks_env = {**env, "TMPDIR": str(scratch)}
        self._service = Service("The embedded cloud", command, tasks_env, state / "logs" / "cloud.log")

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            StartError: It ended, or did not answer in time.
        """
        self._service.wait_until(lambda: _answers(self.url), START_SECONDS)

    def stop(self) -> None:
        """Stop it and every task it runs."""
        self._service.stop()


def image_store(state: Path) -> Path:
    """Return the folder of the `process` runtime's images."""
    return state / "images"


def console_script(name: str) -> str:
    """Return the path of a command installed beside this Python."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{url}/_fargate/health", timeout=2) as answer:  # noqa: S310 - our own loopback address
        return bool(answer.status == 200)
    return False


def aws_environment(url: str, region: str, process: ProcessEnvironment | None = None) -> dict[str, str]:
    """Return the variables that send every AWS client to the embedded cloud, with its key."""
    bypass = ",".join(filter(None, ((process or ProcessEnvironment.current()).no_proxy, "127.0.0.1,localhost")))
    return {
        **{name.upper(): value for name, value in embedded_credentials(url).items()},
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": bypass,
        "no_proxy": bypass,
    }
