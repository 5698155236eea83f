"""Options that several commands share."""

from typing import Annotated, Any

import typer

from datavision.config import current_env

Env = Annotated[
    str, typer.Option(help="local, dev or prod.", default_factory=current_env, show_default="DATAVISION_ENV, or local")
]
"""The environment; a parameter of this type takes no default of its own."""
PLAIN: dict[str, Any] = {"no_args_is_help": True, "add_completion": False, "rich_markup_mode": None}
"""How groups of commands are made: their help is plain text, as that of `datavision` is."""
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
Push = Annotated[bool, typer.Option("--push", help="Push the commit, and the tag if there is one, to the remote.")]
