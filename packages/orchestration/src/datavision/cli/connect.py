"""Gives a command the environment it was asked for, with its cloud in reach."""

from collections.abc import Iterator
from contextlib import contextmanager

from datavision.airflow_api import AirflowApi
from datavision.cli.output import step
from datavision.config import Config, load
from datavision.errors import ConfigError


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


def remote_airflow(config: Config) -> AirflowApi:
    """Return a session with the Airflow that the configuration names.

    Raises:
        ConfigError: it names none.
    """
    if config.airflow.api_url is None:
        raise ConfigError(f"config/{config.env}.toml has no airflow.api_url. Set it to Airflow's address.")
    token = config.airflow.token
    return AirflowApi(config.airflow.api_url, token.get_secret_value() if token else None)
