"""The Python API: a server for the length of a ``with`` block."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

READY_SECONDS = 60.0
STOP_SECONDS = 60.0


class FargateLocal:
    """A cloud of its own, in a process of its own: moto keeps global state, and this way two clouds never share it.

    >>> with FargateLocal() as cloud:
    ...     ecs = boto3.client("ecs", **cloud.client_args)

    ``state_dir`` keeps everything for the next time; ``store`` is the image store of the process runtime; ``port`` 0
    takes a free one; ``faults`` is a TOML file of rules; ``options`` are further options of ``fargate-local serve``.
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
        region: str = "us-east-1",
        options: tuple[str, ...] = (),
    ) -> None:
        self.region = region
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._arguments = ["--port", str(port), "--runtime", runtime, *options]
        for name, value in (("--state-dir", state_dir), ("--store", store), ("--faults", faults)):
            if value is not None:
                self._arguments += [name, str(value)]
        if throttle:
            self._arguments.append("--throttle")

    @property
    def client_args(self) -> dict[str, Any]:
        """Keyword arguments for ``boto3.client``."""
        return {
            "endpoint_url": self.url,
            "region_name": self.region,
            "aws_access_key_id": "fargate-local",
            "aws_secret_access_key": "fargate-local",
        }

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that point the AWS CLI and any SDK here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "fargate-local",
            "AWS_SECRET_ACCESS_KEY": "fargate-local",
        }

    @property
    def pid(self) -> int:
        """The server's process id. Raises RuntimeError when it does not run."""
        if self._process is None:
            message = "this FargateLocal is not running: enter its with block, or call start()"
            raise RuntimeError(message)
        return self._process.pid

    def start(self) -> Self:
        """Start the server and wait until it answers. Raises RuntimeError with what it said when it cannot."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fargate_local", "serve", "--json", "--until-stdin-closes", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        stdout = self._process.stdout
        line = stdout.readline() if stdout else b""
        if not line:
            code = self._process.wait()
            self.stop()
            message = f"fargate-local could not start (exit {code}); its reason is on standard error"
            raise RuntimeError(message)
        self.url = json.loads(line)["url"]
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
        """Put a fault rule in force; returns its number. Keywords are those of the rules in the README."""
        number: int = self._admin("POST", "faults", {"fault": fault, **rule})["ids"][0]
        return number

    def remove_fault(self, number: int) -> None:
        """Take a rule out of force."""
        self._admin("DELETE", f"faults/{number}")

    def clear_faults(self) -> None:
        """Take all rules out of force."""
        self._admin("DELETE", "faults")

    def faults(self) -> list[dict[str, Any]]:
        """The rules in force, with how often each ``matched`` and was ``injected``."""
        rules: list[dict[str, Any]] = self._admin("GET", "faults")["rules"]
        return rules

    def _admin(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}/_fargate/{path}",
            data=json.dumps(body).encode() if body is not None else None,
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
            content: dict[str, Any] = json.load(answer)
            return content

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
