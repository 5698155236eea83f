"""`fargate-local ui`."""

import webbrowser
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Annotated

import typer

from fargate_local import private_files
from fargate_local.cli.client import DEFAULT_URL
from fargate_local.cli.faults import ask
from fargate_local.cli.output import AsJson, Url, complain, say, say_json
from fargate_local.keys import page_file

EXAMPLE = "Example: fargate-local ui --no-browser"


def ui(
    url: Url = DEFAULT_URL,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open the server's page in your browser: tasks, services, logs, faults.

    The address works once, within a minute; the browser is then let in for twelve hours.
    """
    code = ask(url, "POST", "codes")["code"]
    # Behind the `#`, for a browser sends that to nobody.
    page = f"{url.rstrip('/')}/_fargate/ui" + (f"#code={code}" if code else "")
    if as_json:
        say_json({"url": page})
    else:
        say(page)
    if not (no_browser or as_json):
        open_page(url, page)


def open_page(url: str, page: str) -> None:
    """Open a page in the user's browser.

    By way of a file that only this user can read: every user of a machine can see what its programs were started with.
    """
    file = page_file(url)
    with suppress(OSError, webbrowser.Error):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_redirect(file, page)
        if webbrowser.open(file.as_uri()):
            return
    complain("no browser could be opened: open the address above yourself, within a minute")


def write_redirect(file: Path, page: str) -> None:
    """Write a file that leads to a page, readable only by its owner whatever was there."""
    private_files.write(
        file, f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(page)}"><title>…</title>\n'
    )
