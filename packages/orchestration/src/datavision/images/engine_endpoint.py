"""Where container engines push an environment's images to and copy them from, and what they sign on with."""

import base64
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from datavision.aws import visiting_client
from datavision.config import Config

_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class EngineEndpoint:
    """A registry as engines call it; pins and task definitions call it by `Config.registry`."""

    host: str
    tls: bool
    user: str = ""
    password: str = field(default="", repr=False)
    """Empty where the registry asks for none."""

    def insecure(self, option: str = "--tls-verify") -> list[str]:
        """Return what tells podman and skopeo that the registry speaks plain HTTP; nothing where it does not."""
        return [] if self.tls else [f"{option}=false"]


def engine_endpoint(config: Config, visitor: Config | None = None) -> EngineEndpoint:
    """Return `images.registry`, or the ECR of `config` with a token of the account of `visitor`, else of its own.

    The embedded cloud's ECR is at the address that the token's `proxyEndpoint` names. On AWS the name is the
    registry's own, for a token is good for every registry that its owner may use (ECR user guide, "Private registry
    authentication").

    Raises:
        AccountError: The credentials are for another account.
    """
    if config.images.registry is not None:
        return EngineEndpoint(config.images.registry, tls=not config.images.registry.startswith(_LOOPBACK))
    ecr = visiting_client(config, visitor or config, "ecr")
    (data,) = ecr.get_authorization_token()["authorizationData"]
    proxy = urlsplit(data["proxyEndpoint"])
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    tls = proxy.scheme == "https"
    return EngineEndpoint(config.registry() if tls else proxy.netloc, tls, user, password)
