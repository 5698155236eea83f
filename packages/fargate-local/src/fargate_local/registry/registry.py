"""The registry put together: for engines, for ECR's API, and for the pulls of this server's own tasks."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from fargate_local.cloud.clients import CloudClients
from fargate_local.keys import ServerKey
from fargate_local.registry.access import Access, Judge
from fargate_local.registry.api import LayerApi
from fargate_local.registry.distribution import Distribution
from fargate_local.registry.images import Images
from fargate_local.registry.layers import LayerStore, Place
from fargate_local.registry.links import Links
from fargate_local.registry.tokens import Tokens, basic


class Registry:
    """The account's registries, one for each region, at the server's address."""

    def __init__(
        self,
        key: ServerKey,
        clients: CloudClients,
        folder: Path,
        knows: Callable[[str], bool] | None,
        judge: Judge | None,
    ) -> None:
        """Keep layers in `folder`; `knows` says which access keys are good, `judge` what their holders may not do."""
        self._key = key
        self._tokens = Tokens(key.secret_access_key)
        layers = LayerStore(folder)
        self._images = Images(clients, layers)
        links = Links(key.url, self._tokens)
        self.distribution = Distribution(Access(self._tokens, knows, judge), self._images, layers, links)
        self.api = LayerApi(key.url, self._tokens, self._images, layers, links)

    @property
    def host(self) -> str:
        """The registry's name in references to images."""
        return urlsplit(self._key.url).netloc

    def has(self, region: str, repository: str, digest: str) -> bool:
        """Return whether an image can be pulled from here: layers and all."""
        return self._images.complete(Place(region, repository), digest)

    def credentials(self, region: str) -> str:
        """Return what an engine's file of credentials holds for this registry: the server's own, in a region."""
        return basic(self._tokens.issue(self._key.access_key_id, region)[0])
