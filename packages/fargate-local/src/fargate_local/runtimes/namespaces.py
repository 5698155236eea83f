"""Network namespaces of Linux, by the `ip` command; sockets inside them, by a thread that enters for a moment."""

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

FOLDER: Final = Path("/run/netns")
CLONE_NEWNET: Final = 0x40000000
ANSWER_SECONDS: Final = 30.0
BACKLOG: Final = 128


class NetworkError(RuntimeError):
    """The network could not be made; the text is what the command said."""


def why_not() -> str | None:
    """Return why this process cannot make namespaces, or None when it can."""
    if sys.platform != "linux":
        return "only Linux has them"
    if os.geteuid() != 0:
        return "only root may make them"
    missing = [program for program in ("ip", "iptables") if shutil.which(program) is None]
    return f"{' and '.join(missing)} not found" if missing else None


def command(*words: str, text: str = "") -> str:
    """Run a command with `text` as its input and return its output.

    Raises:
        NetworkError: It failed.
    """
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS)
    if done.returncode != 0:
        message = f"{' '.join(words)}: {done.stderr.strip()}"
        raise NetworkError(message)
    return done.stdout


def inside(name: str, *words: str, text: str = "") -> str:
    """Run a command in a namespace.

    Raises:
        NetworkError: It failed.
    """
    return command("ip", "netns", "exec", name, *words, text=text)


def configure(name: str, *lines: str) -> None:
    """Have `ip` carry out these lines in a namespace.

    Raises:
        NetworkError: One failed.
    """
    command("ip", "-n", name, "-batch", "-", text="\n".join(lines))


def existing(prefix: str) -> list[str]:
    """Return the names of the namespaces that begin with `prefix`."""
    return sorted(path.name for path in FOLDER.glob(f"{prefix}*")) if FOLDER.is_dir() else []


def remove(name: str) -> None:
    """Remove a namespace, with its ends of the links that lead out of it; one that is gone is no error."""
    if (FOLDER / name).exists():
        command("ip", "netns", "delete", name)


def listening(name: str, kind: socket.SocketKind, address: tuple[str, int]) -> socket.socket:
    """Return a bound socket that lives in a namespace; a stream's listens.

    Raises:
        NetworkError: The namespace is gone, or the address is taken.
    """
    made = made_inside(name, kind)
    try:
        made.bind(address)
        if kind == socket.SOCK_STREAM:
            made.listen(BACKLOG)
    except OSError as error:
        made.close()
        message = f"{address[0]}:{address[1]} in {name}: {error}"
        raise NetworkError(message) from error
    return made


def made_inside(name: str, kind: socket.SocketKind) -> socket.socket:
    """Return a new socket that lives in a namespace.

    Raises:
        NetworkError: The namespace is gone.
    """
    made: list[socket.socket | OSError] = []

    def make() -> None:
        # A namespace is a thread's, and a socket keeps the one that it was made in.
        try:
            with (FOLDER / name).open("rb") as opened:
                enter(opened.fileno())
            made.append(socket.socket(socket.AF_INET, kind))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make, name=f"in {name}")
    thread.start()
    thread.join()
    (outcome,) = made
    if isinstance(outcome, OSError):
        message = f"{name}: {outcome}"
        raise NetworkError(message) from outcome
    return outcome


def enter(descriptor: int) -> None:
    """Move the calling thread into a namespace.

    Raises:
        OSError: It may not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
