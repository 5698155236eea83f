"""`fargate-local serve`."""

import gc
import json
import logging
import os
import signal
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fargate_local.cli.output import UserError, complain, say
from fargate_local.keys import ServerKey, forget_shared_key, shared_key_file
from fargate_local.runtimes.names import NetworkName, RuntimeName

if TYPE_CHECKING:
    from fargate_local.deliveries.outlets import SmtpServer
    from fargate_local.server import Server

SIGNAL_SECONDS = 1.0
"""A signal that comes between Python's last look for signals and a wait does not end that wait, but the next one."""
EXAMPLE = "Example: fargate-local serve --port 5555 --state-dir .fargate-local"


def serve(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 5555,
    host: Annotated[
        str, typer.Option(help="Address to bind. Anyone who has the key can run programs here.")
    ] = "127.0.0.1",
    state_dir: Annotated[
        Path | None, typer.Option(help="Folder that keeps the state across restarts.", show_default=False)
    ] = None,
    store: Annotated[Path | None, typer.Option(help="Image store of the process runtime.", show_default=False)] = None,
    runtime: Annotated[RuntimeName, typer.Option(help="How containers run.")] = "process",
    registry_map: Annotated[
        list[str] | None,
        typer.Option(
            help="REGISTRY=HOST:PORT: where podman or docker pull a registry's images from.", show_default=False
        ),
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="TOML file of fault rules.", exists=False, show_default=False)
    ] = None,
    fault_seed: Annotated[
        int | None, typer.Option(help="Seed of the rules' probabilities.", show_default=False)
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Host name that clients may use besides localhost; may be repeated.", show_default=False),
    ] = None,
    open_to_all: Annotated[
        bool, typer.Option("--open", help="Require no key: anyone who can reach the address can run programs here.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Refuse what AWS would: IAM for every call, VPC routes at launch, quotas, request rates."
        ),
    ] = False,
    vcpus: Annotated[
        float, typer.Option(min=0.0, help="With --strict: Fargate's quota of vCPUs; 6 in a new account.")
    ] = 6.0,
    start_times: Annotated[
        float,
        typer.Option(
            min=0.0, help="Let tasks start in Fargate's times, by image size, multiplied by this; 0 is at once."
        ),
    ] = 0.0,
    smtp: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT of an SMTP server for SES's and SNS's mails; else they are kept as files.",
            show_default=False,
        ),
    ] = None,
    deliver_to: Annotated[
        list[str] | None,
        typer.Option(
            help="Host besides this machine that SNS may call over HTTP; may be repeated.", show_default=False
        ),
    ] = None,
    network: Annotated[
        NetworkName, typer.Option(help="With podman: a network of its own for each task, or this machine's.")
    ] = "own",
    elb_times: Annotated[
        float, typer.Option(min=0.0, help="Multiplies load balancers' check intervals and deregistration delays.")
    ] = 1.0,
    throttle: Annotated[bool, typer.Option("--throttle", help="Enforce AWS's request rates.")] = False,
    record_life: Annotated[float, typer.Option(help="Seconds for which a stopped task stays visible.")] = 3600.0,
    until_stdin_closes: Annotated[
        bool,
        typer.Option("--until-stdin-closes", help="Stop when standard input closes, for programs that start this."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print address and key as JSON.")] = False,
) -> None:
    """Serve ECS and the rest of AWS on this machine, until interrupted."""
    # moto and its services take a second to import; `--help` should not.
    from fargate_local.faults.rules import RuleError, load_rules
    from fargate_local.server import Server, Settings
    from fargate_local.state import StateError

    if strict and open_to_all:
        message = "--strict tells callers apart by their keys, and --open asks for none: leave one of the two away"
        raise UserError(message)
    ended = listen_for_the_end(until_stdin_closes)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        settings = Settings(
            host=host,
            port=port,
            state_dir=state_dir.absolute() if state_dir else None,
            store=store.absolute() if store else None,
            runtime=runtime,
            registry_map=parse_registry_map(registry_map or []),
            rules=load_rules(faults) if faults else [],
            fault_seed=fault_seed,
            throttle=throttle,
            record_life=record_life,
            allow_hosts=tuple(allow_host or ()),
            open=open_to_all,
            strict=strict,
            vcpus=vcpus,
            start_times=start_times,
            smtp=parse_smtp(smtp) if smtp else None,
            deliver_to=tuple(deliver_to or ()),
            network=network,
            elb_times=elb_times,
        )
        server = Server(settings)
        # moto keeps many small objects until the end; scanning them again and again costs latency.
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
    except (RuleError, StateError) as error:
        raise UserError(str(error)) from error
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror or error}; give another --port, or 0 for a free one"
        raise UserError(message) from error
    with closing(server):  # whatever fails: also saying something to nobody
        # The key file of a server on this port that was killed would mislead.
        forget_shared_key(server.address)
        try:
            if open_to_all:
                complain("fargate-local: --open: every program that reaches this address can run programs as you")
            if not until_stdin_closes:
                share(server.key)
            say(announced(server, as_json))
            while not ended.wait(SIGNAL_SECONDS):
                pass
        finally:
            if not until_stdin_closes:
                forget_shared_key(server.address)
            complain("fargate-local: stopping every task")


def share(key: ServerKey) -> None:
    """Write the key to where the owner's other commands look for it."""
    path = shared_key_file(key.url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key.write(path)
    except OSError as error:
        complain(f"fargate-local: cannot write the key to {path} ({error.strerror}); set AWS_ACCESS_KEY_ID yourself")


def announced(server: "Server", as_json: bool) -> str:
    """Return the line that tells the caller where the server is."""
    if not as_json:
        return f"fargate-local serves {server.address}"
    key = server.key
    said = {"url": key.url, "pid": os.getpid()}
    return json.dumps(said | {"access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key})


def until_end_of_input(ended: threading.Event) -> None:
    """Wait for the end of standard input."""
    # Not through sys.stdin: its lock, held by a thread that still reads, aborts the interpreter's shutdown.
    while os.read(0, 4096):
        pass
    ended.set()


def parse_registry_map(entries: list[str]) -> dict[str, str]:
    """Parse `registry=host:port` entries.

    Raises:
        UserError: An entry is not of that form.
    """
    mapped = {}
    for entry in entries:
        registry, equals, target = entry.partition("=")
        if not equals or not registry or not target:
            message = f"--registry-map {entry!r}: write REGISTRY=HOST:PORT"
            raise UserError(message)
        mapped[registry] = target
    return mapped


def parse_smtp(text: str) -> "SmtpServer":
    """Parse `host:port`.

    Raises:
        UserError: It is not of that form.
    """
    from fargate_local.deliveries.outlets import SmtpServer

    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        message = f"--smtp {text!r}: write HOST:PORT, for instance 127.0.0.1:1025"
        raise UserError(message)
    return SmtpServer(host.strip("[]"), int(port))


def listen_for_the_end(until_stdin_closes: bool) -> threading.Event:
    """Return an event that is set on SIGINT, on SIGTERM, or at the end of standard input if `until_stdin_closes`."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    if until_stdin_closes:
        threading.Thread(target=until_end_of_input, args=(ended,), daemon=True).start()
    return ended
