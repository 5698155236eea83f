"""Exit codes every module answers with; Airflow decides on a retry from them.

Source: the exit-code contract in `docs/architecture.md`.
"""

SUCCESS = 0
"""The work is done."""
FAILURE = 1
"""It failed in a way that another try may cure."""
USAGE = 2
"""The command line or the configuration is wrong: never retried."""
QUALITY = 3
"""A data quality gate failed: never retried; the message names the checks."""
