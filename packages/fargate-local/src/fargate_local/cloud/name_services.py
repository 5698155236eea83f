"""moto's Cloud Map where it differs from AWS's: one namespace a VPC, instances registered twice, sick ones discovered.

API references CreatePrivateDnsNamespace, RegisterInstance, DiscoverInstances (read November 2026).
"""

from typing import Any, Final

from fargate_local.cloud.replaced import original

SERVICES: Final = frozenset({"servicediscovery", "cloudformation"})
"""Those that may make a namespace."""


def extend(service: str, client: Any) -> None:
    """Mend moto's Cloud Map, if that is what is being loaded."""
    del client
    if service in SERVICES:
        mend_names()


def mend_names() -> None:
    """Let a VPC have several namespaces, DnsConfig name one, registering again replace, the healthy be discovered."""
    from moto.servicediscovery import models
    from moto.servicediscovery.exceptions import ConflictingDomainExists

    backend: Any = models.ServiceDiscoveryBackend
    create = original(backend, "create_private_dns_namespace")
    make = original(backend, "create_service")
    register = original(backend, "register_instance")
    discover = original(backend, "discover_instances")

    def create_private(self: Any, name: str, creator_request_id: str, description: str, vpc: str, **more: Any) -> Any:
        if any((each.vpc, each.name) == (vpc, name) for each in self.namespaces.values()):
            raise ConflictingDomainExists(vpc)
        # moto asks whether the VPC is another namespace's: it is told only afterwards which it is.
        operation = create(self, name, creator_request_id, description, "", **more)
        self.namespaces[self.operations[operation].targets["NAMESPACE"]].vpc = vpc
        return operation

    def create_service(self: Any, *, namespace_id: str, dns_config: Any, **more: Any) -> Any:
        # Where DnsConfig names the namespace, moto's service is in none.
        within = namespace_id or (dns_config or {}).get("NamespaceId")
        return make(self, namespace_id=within, dns_config=dns_config, **more)

    def register_again(self: Any, service_id: str, instance_id: str, *args: Any, **more: Any) -> Any:
        service = self.get_service(service_id)
        service.instances = [each for each in service.instances if each.instance_id != instance_id]
        return register(self, service_id, instance_id, *args, **more)

    def discover_healthy(
        self: Any, namespace_name: str, service_name: str, query_parameters: Any = None,
        optional_parameters: Any = None, health_status: Any = None,
    ) -> Any:  # fmt: skip
        named = (namespace_name, service_name, query_parameters, optional_parameters)
        found, revisions = discover(self, *named, "ALL")
        service = self.services[found[0].service_id] if found else None
        # "This parameter is ignored for services that don't have a health check configured."
        if service is None or not (service.health_check_custom_config is not None or service.health_check_config):
            return found, revisions
        return discover(self, *named, health_status or "HEALTHY")

    backend.create_private_dns_namespace = create_private
    backend.create_service = create_service
    backend.register_instance = register_again
    backend.discover_instances = discover_healthy
