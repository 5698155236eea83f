"""Exit codes of every module; Airflow decides from them whether to retry.

Source: the exit-code contract in `docs/architecture.md`.
"""

SUCCESS = 0
"""The work is done."""
FAILURE = 1
"""It failed; a retry may succeed."""
USAGE = 2
"""The command line or the configuration is wrong: never retried."""
QUALITY = 3
"""A data quality gate failed: never retried; the message names the checks."""
