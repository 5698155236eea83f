"""Exit codes of commands and containers; `datavision_runtime.exit_codes` has the modules' side of the contract.

Neither imports the other, so a test compares the two.
"""

SUCCESS = 0
FAILURE = 1
"""Worth a retry."""
USAGE = 2
"""The same call can never succeed."""
QUALITY = 3
"""A data quality gate failed."""
