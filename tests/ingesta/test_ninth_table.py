from typing import Any

import pytest

from ingesta import tables
from ingesta.tables import ForeignKey, Table

Place = Any


@pytest.mark.slow
def test_a_ninth_table_is_one_entry(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.change(
        "CREATE TABLE invoices (invoice_id bigint PRIMARY KEY, payment_id bigint REFERENCES subscription_payments, "
        "total numeric(12, 2), issued_at timestamp)",
        "INSERT INTO invoices SELECT payment_id, payment_id, amount, payment_date FROM subscription_payments",
    )
    entry = Table(
        "invoices",
        key=("invoice_id",),
        cursor="issued_at",
        foreign_keys=(ForeignKey(("payment_id",), "subscription_payments"),),
    )
    monkeypatch.setitem(tables.TABLES, "invoices", entry)

    first = place.load(validate=True)
    assert {finding.outcome for finding in first.findings if finding.table == "invoices"} == {"ok"}
    assert {f.check for f in first.findings if f.table == "invoices"} == {"row_count", "duplicate_keys", "orphans"}
    place.change(
        "DELETE FROM invoices WHERE invoice_id = 1",
        "INSERT INTO invoices VALUES (900001, 5, 9.99, now() AT TIME ZONE 'utc')",
    )
    (second,) = place.load("invoices").merged
    assert (second.inserted, second.deleted) == (1, 1)
    assert place.differences([*tables.TABLES]) == {}
