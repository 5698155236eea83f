"""Image references."""

import re
from dataclasses import dataclass

ECR_HOST = re.compile(r"^\d{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\Z")


@dataclass(frozen=True, slots=True)
class Reference:
    """`registry/repository:tag@digest`; `registry` is empty for Docker Hub's short names."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def ecr_region(self) -> str | None:
        """The region when the registry is ECR."""
        found = ECR_HOST.match(self.registry)
        return found[1] if found else None


def parse_reference(text: str) -> Reference:
    """Split a reference."""
    name, _, digest = text.partition("@")
    first, slash, rest = name.partition("/")
    registry, path = (first, rest) if slash and ("." in first or ":" in first or first == "localhost") else ("", name)
    repository, colon, tag = path.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = path, ""
    return Reference(registry, repository, tag or None, digest or None)
