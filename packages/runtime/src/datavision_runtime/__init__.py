"""The entry point of every DataVision image, and what a module needs to talk to it."""

from datavision_runtime.result import ResultError, read_result, write_result

__all__ = ["ResultError", "read_result", "write_result"]
