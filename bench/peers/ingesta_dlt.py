"""The eight tables to DuckDB with dlt: `ingesta_dlt.py URL FOLDER first|changes`.

Tuned as dlt's page on performance says: ConnectorX, which hands over Arrow tables that are neither parsed nor
normalised row by row, Parquet files between the stages, extraction of the tables in parallel, a worker for each core.
Tables with a cursor are merged by key; those without one are replaced.
"""

import os
import sys

import dlt
from dlt.sources.sql_database import sql_database

KEYS = {
    "accounts": ("account_id", "updated_at"),
    "subscriptions": ("subscription_id", "updated_at"),
    "accounts_subscription": ("account_subscription_id", "updated_at"),
    "contents": ("content_id", "updated_at"),
    "content_attributes": (("content_id", "attribute_name"), "updated_at"),
    "subscription_payments": ("payment_id", None),
    "premium_features": ("feature_id", "updated_at"),
    "account_premium_features": ("account_feature_id", None),
}
WORKERS = str(os.cpu_count())


def main(url: str, folder: str, reading: str) -> None:
    os.environ.update(
        {
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "RUNTIME__LOG_LEVEL": "ERROR",
            "EXTRACT__WORKERS": WORKERS,
            "NORMALIZE__WORKERS": WORKERS,
            "LOAD__WORKERS": WORKERS,
            "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "false",
        }
    )
    source = sql_database(url, table_names=list(KEYS), backend="connectorx", reflection_level="full_with_precision")
    source.max_table_nesting = 0
    for name, (key, cursor) in KEYS.items():
        resource = source.resources[name].parallelize()
        if cursor:
            resource.apply_hints(
                primary_key=key,
                write_disposition="merge" if reading == "changes" else "replace",
                incremental=dlt.sources.incremental(cursor, lag=7 * 86400),
            )
        else:
            resource.apply_hints(primary_key=key, write_disposition="replace")
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=f"{folder}/pipelines",
        destination=dlt.destinations.duckdb(f"{folder}/target.duckdb"),
        dataset_name="raw",
    )
    pipeline.run(source, loader_file_format="parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
