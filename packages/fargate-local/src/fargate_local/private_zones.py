"""The private zones of Route 53, as tasks in their VPCs see them.

Route 53 developer guide, "Working with private hosted zones" (read November 2026): the zone with the longest matching
name answers, and a name that it does not have does not exist, whatever public zones say.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from fargate_local.cloud.used_backends import used_backends
from fargate_local.runtimes.lookup import Answer

ALIAS_TTL: Final = 60
"""What Route 53 answers for an alias of a load balancer."""
CHAIN: Final = 8
"""How many aliases and CNAMEs are followed."""

Elsewhere = Callable[[str, str], Answer | None]
"""Returns what is known of a name, by type, outside of private zones: of load balancers and Cloud Map."""


def answer(vpc: str, name: str, kind: str, elsewhere: Elsewhere, chain: int = CHAIN) -> Answer | None:
    """Return the records of a name as tasks of a VPC see them; None where no private zone of the VPC is in charge."""
    zones = [zone for zone in hosted_zones() if serves(zone, vpc) and is_within(name, plain(zone.name))]
    if not zones:
        return None
    zone = max(zones, key=lambda each: len(each.name))
    records = named(zone.rrsets, name)
    wanted = next((each for each in records if each.type == kind), None)
    if wanted is not None and not wanted.alias_target:
        return Answer(exists=True, records=values(wanted))
    led = wanted or next((each for each in records if each.type == "CNAME"), None)
    if led is None or not chain:
        return Answer(exists=bool(records))
    target = plain(led.alias_target["DNSName"] if led.alias_target else values(led)[0][1])
    found = elsewhere(target, kind) or answer(vpc, target, kind, elsewhere, chain - 1)
    return Answer(exists=True, records=tuple((ALIAS_TTL, value) for _, value in found.records) if found else ())


def hosted_zones() -> list[Any]:
    """Return moto's zones, none where nobody has used Route 53."""
    return [zone for backend in list(used_backends("route53").values()) for zone in list(backend.zones.values())]


def serves(zone: Any, vpc: str) -> bool:
    """Return whether a zone is private and associated with a VPC."""
    return bool(zone.private_zone) and any(each.get("vpc_id") == vpc for each in zone.vpcs)


def is_within(name: str, zone: str) -> bool:
    """Return whether a name is a zone's own or below it."""
    return name == zone or name.endswith(f".{zone}")


def named(records: Iterable[Any], name: str) -> list[Any]:
    """Return a zone's records for a name, or else those of the wildcard beside it."""
    known = list(records)
    exact = [each for each in known if plain(each.name) == name]
    wild = f"*.{name.partition('.')[2]}"
    return exact or [each for each in known if plain(each.name).replace("\\052", "*") == wild]


def values(record: Any) -> tuple[tuple[int, str], ...]:
    """Return a record's values with their time to live; moto keeps those of a template as text, others as objects."""
    found = [each["Value"] if isinstance(each, dict) else each for each in record.records or ()]
    return tuple((int(record.ttl or ALIAS_TTL), str(value)) for value in found)


def plain(name: str) -> str:
    """Return a name of DNS in small letters, without its last dot and an alias's `dualstack.`."""
    return name.lower().rstrip(".").removeprefix("dualstack.")
