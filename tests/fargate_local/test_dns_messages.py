"""Answers to DNS questions inside tasks, as a client of DNS reads them."""

import dns.message
import dns.rcode

from fargate_local.runtimes.dns_messages import answered
from fargate_local.runtimes.lookup import Answer


def known(name: str, kind: str) -> Answer | None:
    if not name.endswith("shop.local"):
        return None
    here = {("api.shop.local", "A"): ((5, "10.0.0.4"), (5, "10.0.0.5"))}
    return Answer(exists=name == "api.shop.local", records=here.get((name, kind), ()))


def ask(name: str, kind: str = "A") -> dns.message.Message | None:
    answer = answered(dns.message.make_query(name, kind).to_wire(), known)
    return dns.message.from_wire(answer) if answer else None


def test_a_name_of_ours_has_its_records_whatever_its_case() -> None:
    answer = ask("API.shop.local")
    assert answer
    assert sorted(str(item) for record in answer.answer for item in record) == ["10.0.0.4", "10.0.0.5"]
    assert {record.ttl for record in answer.answer} == {5}


def test_a_name_without_such_records_is_empty_and_one_that_is_not_there_does_not_exist() -> None:
    empty, missing = ask("api.shop.local", "AAAA"), ask("none.shop.local")
    assert empty
    assert (empty.rcode(), empty.answer) == (dns.rcode.NOERROR, [])
    assert missing
    assert missing.rcode() == dns.rcode.NXDOMAIN


def test_other_names_other_types_and_noise_are_not_ours() -> None:
    assert ask("example.com") is None
    assert ask("api.shop.local", "TXT") is None
    assert answered(b"noise", known) is None
