"""What differs between environments. All other code asks here, and never which environment it is in."""

from dataclasses import dataclass

from datavision.config import Config

_LAPTOP = "local"


def runs_here(env: str) -> bool:
    """Return whether commands start the cloud, the databases and Airflow of `env` themselves, on this machine."""
    return env == _LAPTOP


@dataclass(frozen=True)
class Environment:
    """What one environment does, according to its configuration."""

    config: Config

    @property
    def runs_here(self) -> bool:
        """Whether commands start its cloud, databases and Airflow themselves; else it is an account of AWS."""
        return runs_here(self.config.env)

    @property
    def embedded_url(self) -> str | None:
        """The embedded cloud's address, which clients use instead of AWS, or None."""
        return self.config.aws.endpoint_url

    @property
    def has_console(self) -> bool:
        """Whether AWS's web console shows what runs here."""
        return self.embedded_url is None

    @property
    def pins_in_bundle(self) -> bool:
        """Whether pins are kept in the bare repository that Airflow follows; otherwise in the project's own history."""
        return self.runs_here

    @property
    def demands_clean_tree(self) -> bool:
        """Whether a release must be exactly a commit."""
        return not self.pins_in_bundle

    @property
    def runs_folders(self) -> bool:
        """Whether images may be folders that run as processes: on the embedded cloud only."""
        return self.embedded_url is not None

    @property
    def has_airflow_stacks(self) -> bool:
        """Whether CloudFormation makes its database, Airflow, mail and alarms, which then need secrets and quotas."""
        return not self.runs_here

    @property
    def runs_airflow(self) -> bool:
        """Whether CloudFormation makes its Airflow, whose image is then released with those of the modules."""
        return self.has_airflow_stacks and bool(self.config.airflow.host)

    def at(self, url: str) -> Config:
        """Return the configuration with the embedded cloud's address in it."""
        return self.config.model_copy(update={"aws": self.config.aws.model_copy(update={"endpoint_url": url})})
