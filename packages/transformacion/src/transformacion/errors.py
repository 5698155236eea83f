"""Everything this package raises on purpose.

TransformacionError    a message for people that ends with the next step
├── UsageError         the command line or the project is wrong: exit code 2
├── RunError           dbt stopped before the end: exit code 1
└── ReportError        the report could not be written: exit code 1
"""


class TransformacionError(Exception):
    """The root of the tree; the message holds no secret."""


class UsageError(TransformacionError):
    """The request can never succeed, however often it is tried."""


class RunError(TransformacionError):
    """Something outside the project stopped dbt: worth a retry."""


class ReportError(TransformacionError):
    """The report's destination cannot be written."""
