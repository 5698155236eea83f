"""Sets up a command's environment, with its cloud reachable."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from datavision.airflow_api import AirflowApi
from datavision.cli.output import step
from datavision.config import Config, load
from datavision.environment import Environment, runs_here
from datavision.errors import ConfigError
from datavision.release.in_flight import images_of
from datavision.release.pins.places import repository


@contextmanager
def environment(env: str) -> Iterator[Config]:
    """Yield the configuration of `env`.

    For `local` it is the running stack's; without one the embedded cloud is started for the block.
    """
    if not runs_here(env):
        yield load(env)
        return
    from datavision.local.stack import local_stack, running_stack

    if stack := running_stack():
        yield stack.config
        return
    with local_stack(step, airflow=False, release=False) as stack:
        yield stack.config


def images_in_flight(config: Config) -> Mapping[str, str]:
    """Return the images that this environment's runs in flight may still launch; none where no Airflow is known.

    Raises:
        AirflowError: An Airflow is known but does not answer.
    """
    with ExitStack() as stack:
        if Environment(config).runs_here:
            from datavision.local.stack import running_stack

            running = running_stack()
            if running is None or running.airflow_url is None:
                return {}
            api = stack.enter_context(AirflowApi(running.airflow_url))
        elif config.airflow.api_url is None:
            return {}
        else:
            api = stack.enter_context(remote_airflow(config))
        return images_of(config, repository(config), api.begun_runs())


def remote_airflow(config: Config) -> AirflowApi:
    """Return a session with the Airflow that the configuration names.

    Raises:
        ConfigError: It names none.
    """
    if config.airflow.api_url is None:
        raise ConfigError(f"config/{config.env}.toml has no airflow.api_url. Set it to Airflow's address.")
    token = config.airflow.token
    return AirflowApi(config.airflow.api_url, token.get_secret_value() if token else None)
