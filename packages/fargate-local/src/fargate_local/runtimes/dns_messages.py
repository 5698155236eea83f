"""Questions and answers of DNS as bytes."""

from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from fargate_local.runtimes.lookup import Lookup

TYPES: Final = frozenset({"A", "AAAA", "SRV", "CNAME"})


def answered(data: bytes, lookup: Lookup) -> bytes | None:
    """Return the answer to a question about a name of ours, or None."""
    try:
        query = dns.message.from_wire(data)
        question = query.question[0]
    except (dns.exception.DNSException, IndexError):
        return None
    name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
    found = lookup(name, kind) if kind in TYPES else None
    if found is None:
        return None
    response = dns.message.make_response(query, recursion_available=True)
    response.flags |= dns.flags.AA
    if not found.exists:
        response.set_rcode(dns.rcode.NXDOMAIN)
    for ttl, value in found.records:
        response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", kind, value))
    return response.to_wire()
