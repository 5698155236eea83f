"""Amazon Resource Names of ECS."""

import uuid
from dataclasses import dataclass

ACCOUNT = "123456789012"


@dataclass(frozen=True, slots=True)
class Names:
    """Makes ARNs of one region."""

    region: str

    def cluster(self, name: str) -> str:
        """Return the ARN of a cluster."""
        return f"arn:aws:ecs:{self.region}:{ACCOUNT}:cluster/{name}"

    def new_task(self, cluster: str) -> str:
        """Return the ARN of a task that does not exist yet."""
        return f"arn:aws:ecs:{self.region}:{ACCOUNT}:task/{cluster}/{uuid.uuid4().hex}"

    def new_container(self, cluster: str, task_id: str) -> str:
        """Return the ARN of a container that does not exist yet."""
        return f"arn:aws:ecs:{self.region}:{ACCOUNT}:container/{cluster}/{task_id}/{uuid.uuid4()}"

    def task(self, cluster: str, identifier: str) -> str:
        """Return the ARN of a task given its ARN or its id."""
        return (
            identifier
            if identifier.startswith("arn:")
            else f"{self.cluster(cluster)}/{identifier}".replace(":cluster/", ":task/")
        )

    def service(self, cluster: str, identifier: str) -> str:
        """Return the ARN of a service given its ARN or its name."""
        return (
            identifier
            if identifier.startswith("arn:")
            else f"arn:aws:ecs:{self.region}:{ACCOUNT}:service/{cluster}/{identifier}"
        )


def last_part(arn: str) -> str:
    """Return the name or id at the end of an ARN, or the name itself."""
    return arn.rsplit("/", 1)[-1]
