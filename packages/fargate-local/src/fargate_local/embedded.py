"""The Python API: a server for the length of a `with` block."""

import json
import selectors
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fargate_local.keys import ServerKey

READY_SECONDS = 60.0
STOP_SECONDS = 60.0


class FargateLocal:
    """A cloud in a process of its own: moto keeps global state, and this way two clouds never share it.

    >>> with FargateLocal() as cloud:
    ...     ecs = boto3.client("ecs", **cloud.client_args)

    ``state_dir`` keeps everything for the next time; ``store`` is the image store of the process runtime; ``port`` 0
    takes a free one; ``faults`` is a TOML file of rules; ``strict`` refuses what AWS would; ``options``
    are further options of ``fargate-local serve``.
    The server ends with the block, and with this process whatever happens to it.
    """

    def __init__(
        self,
        state_dir: Path | str | None = None,
        store: Path | str | None = None,
        port: int = 0,
        *,
        runtime: str = "process",
        faults: Path | str | None = None,
        throttle: bool = False,
        strict: bool = False,
        region: str = "us-east-1",
        options: tuple[str, ...] = (),
    ) -> None:
        self.region = region
        self.key = ServerKey.new()
        self._process: subprocess.Popen[bytes] | None = None
        self._arguments = ["--port", str(port), "--runtime", runtime, *options]
        for name, value in (("--state-dir", state_dir), ("--store", store), ("--faults", faults)):
            if value is not None:
                self._arguments += [name, str(value)]
        if throttle:
            self._arguments.append("--throttle")
        if strict:
            self._arguments.append("--strict")

    @property
    def url(self) -> str:
        """The server's address; empty while it does not run."""
        return self.key.url

    @property
    def client_args(self) -> dict[str, Any]:
        """Keyword arguments for `boto3.client`: address, region and the server's key."""
        return self.key.client_args(self.region)

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that point the AWS CLI and any SDK here, with the server's key."""
        return self.key.environment(self.region)

    @property
    def pid(self) -> int:
        """The server's process id.

        Raises:
            RuntimeError: It is not running.
        """
        if self._process is None:
            message = "this FargateLocal is not running: enter its with block, or call start()"
            raise RuntimeError(message)
        return self._process.pid

    def start(self) -> Self:
        """Start the server and wait until it answers.

        Raises:
            RuntimeError: It did not start; the reason is on standard error.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fargate_local", "serve", "--json", "--until-stdin-closes", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        line = first_line(self._process, READY_SECONDS)
        if not line:
            code = self._process.poll()
            self._process.kill()
            self.stop()
            ended = f"exit {code}" if code is not None else f"no answer within {READY_SECONDS:g} s"
            message = f"fargate-local could not start ({ended}); its reason is on standard error"
            raise RuntimeError(message)
        said = json.loads(line)
        self.key = ServerKey(said["access_key_id"], said["secret_access_key"], said["url"])
        return self

    def stop(self) -> None:
        """Stop every task and the server."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()

    def add_fault(self, fault: str, **rule: Any) -> int:
        """Add a fault rule and return its number; the keywords are those of the rules in the README."""
        number: int = self._admin("POST", "faults", {"fault": fault, **rule})["ids"][0]
        return number

    def remove_fault(self, number: int) -> None:
        """Remove a fault rule."""
        self._admin("DELETE", f"faults/{number}")

    def clear_faults(self) -> None:
        """Remove all fault rules."""
        self._admin("DELETE", "faults")

    def faults(self) -> list[dict[str, Any]]:
        """Return the active rules, with how often each `matched` and was `injected`."""
        rules: list[dict[str, Any]] = self._admin("GET", "faults")["rules"]
        return rules

    def _admin(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        # Imported here: botocore takes a moment, which a test run that only has the plugin should not spend.
        from fargate_local.admin_client import ask

        return ask(self.key, method, path, body)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def first_line(process: "subprocess.Popen[bytes]", seconds: float) -> bytes:
    """Return the first line that a process prints; empty if it exits first or takes longer than `seconds`."""
    if process.stdout is None:
        return b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            return b""
    line = process.stdout.readline()
    if not line:
        process.wait()
    return line
