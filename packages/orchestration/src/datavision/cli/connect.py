"""Gives a command the environment it was asked for, with its cloud in reach."""

from collections.abc import Iterator
from contextlib import contextmanager

from datavision.cli.output import step
from datavision.config import Config, load


@contextmanager
def environment(env: str) -> Iterator[Config]:
    """Yield the configuration of `env`.

    For `local` that is the running stack's, or else the embedded cloud is started for the time of the block.
    """
    if env != "local":
        yield load(env)
        return
    from datavision.local.stack import local_stack, running_stack

    if stack := running_stack():
        yield stack.config
        return
    with local_stack(step, airflow=False, release=False) as stack:
        yield stack.config
