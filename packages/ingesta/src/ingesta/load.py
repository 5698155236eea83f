"""A load from beginning to end: snapshot → landing → one lakehouse transaction → quality gate → housekeeping."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from datavision_lakehouse import LAKE, ConfigurationError, LakehouseError, connect
from datavision_lakehouse.maintenance import maintain
from datavision_lakehouse.postgres import sql_text
from datavision_lakehouse.storage import allow_s3, is_s3
from ingesta.arrivals import Arrivals
from ingesta.errors import IngestaError, LoadError, UsageError
from ingesta.extract import Extract, Extractor, Load
from ingesta.landing import Landing
from ingesta.landings import landing_at
from ingesta.lock import load_lock
from ingesta.merge import Merged, Merger
from ingesta.progress import Reporter, size
from ingesta.quality import Finding, Gate, SourceKeys
from ingesta.settings import Settings
from ingesta.source import Source, connection_lost, full_disk
from ingesta.structure import quoted
from ingesta.tables import TABLES, Table


@dataclass(frozen=True)
class LoadReport:
    """What a load did."""

    load: Load
    extracts: tuple[Extract, ...]
    merged: tuple[Merged, ...]
    findings: tuple[Finding, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the result that the task passes to Airflow."""
        tables = {
            done.table: {
                **asdict(done),
                "reading": landed.reading,
                "source_rows": landed.source_rows,
                "bytes": landed.bytes,
            }
            for landed, done in zip(self.extracts, self.merged, strict=True)
        }
        return {
            "load_id": self.load.id,
            "loaded_at": self.load.at.isoformat(),
            "rows": sum(done.inserted + done.updated + done.deleted for done in self.merged),
            "bytes": sum(landed.bytes for landed in self.extracts),
            "seconds": round(self.seconds, 2),
            "tables": tables,
            "quality": [finding.as_json() for finding in self.findings],
        }


def new_load(now: datetime) -> Load:
    """Return a load named after its time, so that names sort by time."""
    return Load(f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}", now)


def load(
    settings: Settings, tables: Sequence[Table], report: Reporter, *, full_refresh: bool = False, validate: bool = False
) -> LoadReport:
    """Load the tables and return what changed and, with `validate`, what the quality gate found.

    However it dies, running it again ends as if it had never been started before.

    Raises:
        IngestaError: The load did not happen, or (QualityError) a value does not fit.
    """
    started = time.monotonic()
    current = new_load(datetime.now(UTC))
    with explaining(), load_lock(settings.lakehouse, settings.ingesta.lock_seconds, report):
        landing = landing_at(settings.landing.path)
        if dead := landing.discard_unfinished():
            report(f"removed the landing files of {dead} load(s) that died")
        landing.open(current.id)
        with connect(settings.lakehouse) as connection:
            if is_s3(settings.landing.path):
                allow_s3(connection)
            connection.execute("SET preserve_insertion_order = false")
            merger = Merger(connection, landing, current)
            # Of the instance's two connections this one writes nothing to the lakehouse: two must not.
            with connection.cursor() as reading:
                reading.execute(f"USE {LAKE}")
                landed = _land(reading, settings, landing, current, tables, report, full_refresh=full_refresh)
                extracts, merged = _merged(connection, merger, landed, report)
            _say(merged, report)
            findings = _validate(connection, settings, landing, current, extracts) if validate else []
            if settings.ingesta.housekeeping:
                _housekeep(connection, settings, report)
    return LoadReport(current, tuple(extracts), tuple(merged), tuple(findings), time.monotonic() - started)


def validate_only(settings: Settings, tables: Sequence[Table], report: Reporter) -> list[Finding]:
    """Run the quality gate on what is loaded, against the source as it is now.

    Raises:
        IngestaError: The gate could not run.
    """
    with explaining(), connect(settings.lakehouse, read_only=True) as connection:
        source = Source(connection, settings.source, settings.ingesta.source_schema)
        with source.snapshot():
            keys = {table.name: _live_keys(connection, source, table) for table in tables}
            findings = Gate(connection, settings.ingesta, TABLES).check(keys, tables)
    report(f"{len(findings)} checks on {len(tables)} tables")
    return findings


def _merged(
    connection: duckdb.DuckDBPyConnection,
    merger: Merger,
    landed: Iterator[Extract],
    report: Reporter,
) -> tuple[list[Extract], list[Merged]]:
    """Merge each table once it has landed, while PostgreSQL reads the next one; return what landed and what it did."""
    arrivals = Arrivals()
    with ThreadPoolExecutor(1, thread_name_prefix="merge") as thread:
        merging = thread.submit(merger.merge, arrivals, report)
        try:
            with arrivals.landing():
                for extract in landed:
                    arrivals.add(extract)
                    if merging.done():  # before the last table it can only have failed
                        break
            with report.watch("merging", connection.query_progress):
                return list(arrivals), merging.result()
        except BaseException:
            # What is being merged will not be committed.
            connection.interrupt()
            raise


def _land(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    landing: Landing,
    current: Load,
    tables: Sequence[Table],
    report: Reporter,
    *,
    full_refresh: bool,
) -> Iterator[Extract]:
    """Land the tables one after the other, and close the landing folder after the last."""
    source = Source(connection, settings.source, settings.ingesta.source_schema)
    extractor = Extractor(connection, source, landing, current, settings.ingesta, full_refresh=full_refresh)
    extracts = []
    with source.snapshot() as snapshot:
        for table in tables:
            with report.watch(table.name, connection.query_progress):
                extract = extractor.extract(table)
            extracts.append(extract)
            rows = sum(file.rows for file in extract.files)
            what = "changed lately of" if extract.reading == "changes" else "of"
            report(
                f"{table.name}: {rows:,} rows {what} {extract.source_rows:,}, "
                f"{size(extract.bytes)}, {extract.seconds:.1f} s"
            )
            yield extract
    landing.close(current.id, _manifest(current, str(source), snapshot, extracts))


def _manifest(current: Load, source: str, snapshot: str, extracts: Sequence[Extract]) -> Mapping[str, Any]:
    return {
        "load_id": current.id,
        "loaded_at": current.at.isoformat(),
        "source": source,
        "snapshot": snapshot,
        "tables": {
            extract.table.name: {
                "reading": extract.reading,
                "source_rows": extract.source_rows,
                "columns": {column.name: column.type for column in extract.columns},
                "files": [asdict(file) for file in extract.files],
                "keys": asdict(extract.keys) if extract.keys else None,
            }
            for extract in extracts
        },
    }


def _say(merged: Sequence[Merged], report: Reporter) -> None:
    for done in merged:
        report(f"{done.table}: +{done.inserted:,} ~{done.updated:,} -{done.deleted:,} = {done.total:,} ({done.mode})")


def _validate(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    landing: Landing,
    current: Load,
    extracts: Sequence[Extract],
) -> list[Finding]:
    keys = {}
    for extract in extracts:
        files = [extract.keys] if extract.keys else extract.files
        names = ", ".join(sql_text(landing.file(current.id, file.name)) for file in files)
        relation = f"read_parquet([{names}])" if extract.may_delete else None
        keys[extract.table.name] = SourceKeys(relation, extract.source_rows)
    return Gate(connection, settings.ingesta, TABLES).check(keys, [extract.table for extract in extracts])


def _live_keys(connection: duckdb.DuckDBPyConnection, source: Source, table: Table) -> SourceKeys:
    relation = f"(SELECT {', '.join(map(quoted, table.key))} FROM {source.relation(table, source.columns(table))})"
    row = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return SourceKeys(relation, int(row[0]) if row else 0)


def _housekeep(connection: duckdb.DuckDBPyConnection, settings: Settings, report: Reporter) -> None:
    try:
        done = maintain(connection, settings.lakehouse)
    except (LakehouseError, duckdb.Error) as error:
        # The load is committed; housekeeping that another writer disturbed runs again with the next load.
        report(f"housekeeping left for the next load: {str(error).splitlines()[0]}")
        return
    report(str(done))


@contextmanager
def explaining() -> Iterator[None]:
    """Turn the errors of the layers below into ingesta's own.

    Raises:
        IngestaError: The block raised it.
        UsageError: The block raised a ConfigurationError.
        LoadError: The block raised another error of the lakehouse, DuckDB or the operating system.
    """
    try:
        yield
    except IngestaError:
        raise
    except ConfigurationError as error:
        raise UsageError(str(error)) from None
    except LakehouseError as error:
        raise LoadError(str(error)) from None
    except (duckdb.Error, OSError) as error:
        if "No space left on device" in str(error):
            raise full_disk(error) from None
        if connection_lost(error):
            raise LoadError(
                "The connection to the lakehouse catalog was lost, and the load with it: readers see all of a load or "
                "nothing. Check that the catalog's database is up, then run again."
            ) from None
        raise LoadError(f"The load failed and left nothing visible: {str(error).strip()}. Run it again.") from error
