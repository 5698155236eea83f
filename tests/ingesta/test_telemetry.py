"""What a load tells of its lineage and its time, received by a real server."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.receivers import deaf_server, receiver

from ingesta.tables import TABLES

Place = Any
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {
    "run": {"runId": "019353f1-0000-7000-8000-000000000001"},
    "job": {"namespace": "datavision-dev", "name": "pipeline_suscripciones.ingesta"},
    "root": {
        "run": {"runId": "019353f1-0000-7000-8000-000000000002"},
        "job": {"namespace": "datavision-dev", "name": "pipeline_suscripciones"},
    },
}


def without_facets(value: Any) -> Any:
    return {k: without_facets(v) for k, v in value.items() if k != "facets"} if isinstance(value, dict) else value


def asked(url: str) -> dict[str, str]:
    return {
        "OPENLINEAGE_URL": url,
        "OPENLINEAGE_NAMESPACE": "datavision-dev",
        "OPENLINEAGE_CONTEXT": json.dumps({"parent": PARENT}),
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "TRACEPARENT": f"00-{TRACE}-{SPAN}-01",
    }


def test_a_load_tells_which_table_and_column_comes_from_which_and_which_task_it_was(place: Place) -> None:
    with receiver() as received:
        done = place.command("--env", "local", **asked(received.url))
        assert done.returncode == 0, done.stderr
    begin, end = received.events
    assert (begin["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert begin["run"]["runId"] == end["run"]["runId"]
    assert end["job"] == {"namespace": "datavision-dev", "name": "ingesta", "facets": {}}
    parent = end["run"]["facets"]["parent"]
    assert {name: without_facets(parent[name]) for name in ("run", "job", "root")} == PARENT
    source, catalog = urlsplit(place.source_url), urlsplit(place.catalog_url)
    database = source.path.strip("/")
    assert {item["name"] for item in end["inputs"]} == {f"{database}.public.{name}" for name in TABLES}
    assert {item["namespace"] for item in end["inputs"]} == {f"postgres://{source.hostname}:{source.port}"}
    (accounts,) = (item for item in end["outputs"] if item["name"] == "lake.raw_datavision.accounts")
    assert accounts["namespace"] == f"ducklake://{catalog.hostname}:{catalog.port}{catalog.path}"
    assert accounts["outputFacets"]["outputStatistics"]["rowCount"] > 0
    (origin,) = accounts["facets"]["columnLineage"]["fields"]["email"]["inputFields"]
    assert (origin["name"], origin["field"]) == (f"{database}.public.accounts", "email")


def test_a_load_is_a_span_below_its_launch_with_a_span_for_each_part(place: Place) -> None:
    with receiver() as received:
        place.command("--env", "local", "--tables", "accounts", "contents", **asked(received.url))
    *parts, whole = received.spans
    assert whole.name == "ingesta"
    assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == (TRACE, SPAN)
    assert [span.name for span in parts] == ["accounts", "contents", "merging"]
    assert {span.parent_span_id for span in parts} == {whole.span_id}
    assert all(whole.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano for span in parts)


def test_a_load_that_failed_says_so(place: Place) -> None:
    parts = urlsplit(place.source_url)
    nowhere = place.source_url.replace(f":{parts.port}/", ":1/")
    with receiver() as received:
        place.command("--env", "local", DATAVISION_SOURCE__URL=nowhere, **asked(received.url))
    assert [event["eventType"] for event in received.events] == ["START", "FAIL"]
    (span,) = received.spans
    assert "Connection refused" in span.status.message
    assert str(parts.password).encode() not in b"".join(body for _, body in received.bodies)


def test_a_server_that_does_not_answer_fails_nothing_and_is_named_in_the_log(place: Place) -> None:
    with deaf_server() as url:
        done = place.command("--env", "local", "--tables", "accounts", **asked(url))
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert [line.split(":")[1] for line in done.stderr.splitlines() if line.startswith("datavision-run")] == [
        " the lineage was not sent to http",
        " the trace was not sent",
    ]


@pytest.mark.parametrize("variables", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}])
def test_without_a_server_and_without_a_parent_nothing_is_sent_or_imported(
    place: Place, variables: dict[str, str]
) -> None:
    done = place.command("--env", "local", "--tables", "accounts", PYTHONPROFILEIMPORTTIME="1", **variables)
    assert done.returncode == 0
    assert "datavision-run:" not in done.stderr
    assert "openlineage" not in done.stderr
    assert "opentelemetry" not in done.stderr
