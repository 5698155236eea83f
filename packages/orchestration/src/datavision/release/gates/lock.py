"""The lock, held against the known vulnerabilities, with the same list of exceptions as the images' scan."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from datavision.images.uv import uv_binary
from datavision.release.errors import GateError
from datavision.release.gates.allowed import allowed_file, read_allowed

_AUDITED, _FOUND = 0, 1


def audit_lock(project: Path, service: str | None = None) -> str:
    """Return what `uv audit` says of `uv.lock`, all groups included.

    Args:
        project: where the lock is.
        service: address of another database than osv.dev, with the same API.

    Raises:
        GateError: it found something that `infra/scan-allowed.toml` does not let through, an entry there has expired,
            or the database does not answer.
    """
    allowed = read_allowed(allowed_file(), datetime.now(UTC).date())
    command = [uv_binary(project), "audit", "--frozen", "--no-progress", "--preview-features", "audit-command"]
    command += [argument for name in sorted(allowed) for argument in ("--ignore", name)]
    command += ["--service-url", service] if service else []
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode == _AUDITED:
        return done.stdout.strip() or done.stderr.strip()
    if done.returncode == _FOUND:
        raise GateError(
            f"uv.lock has known vulnerabilities:\n{done.stdout.strip()}\n"
            "Upgrade (`uv lock --upgrade-package NAME`), or let one through with a reason and an end in "
            "infra/scan-allowed.toml."
        )
    raise GateError(f"uv could not audit the lock (exit {done.returncode}):\n{done.stderr.strip()}\nTry again.")
