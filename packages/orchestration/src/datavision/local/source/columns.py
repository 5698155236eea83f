"""Columns made from random numbers: times within a day, money, words."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Days = npt.NDArray[np.datetime64]
Times = npt.NDArray[np.datetime64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def times_on(rng: np.random.Generator, days: Days) -> Times:
    """Return a moment on each day, most of them in the afternoon, at millisecond resolution."""
    hours = np.clip(rng.normal(15.0, 4.0, len(days)), 0.0, 23.999)
    moments: Times = days.astype("datetime64[us]") + (hours * 3_600_000).astype("timedelta64[ms]")
    return moments


def plus_days(moments: Times, days: Ints) -> Days:
    """Return the day that comes `days` after the day of each moment."""
    later: Days = moments.astype("datetime64[D]") + days.astype("timedelta64[D]")
    return later


def times_between(rng: np.random.Generator, first: Times, last: Times) -> Times:
    """Return a moment after `first` and not after `last`, uniformly; `first` itself where they are adjacent."""
    width = np.maximum((last - first).astype(np.int64), 0)
    moments: Times = first + (rng.random(len(first)) * width).astype(np.int64).astype("timedelta64[us]")
    return moments


def add_months(days: Days, months: Ints) -> Days:
    """Return the dates `months` calendar months later, clamped to the month's end."""
    month = days.astype("datetime64[M]")
    day_of_month = (days - month.astype("datetime64[D]")).astype(np.int64)
    target = month + months.astype("timedelta64[M]")
    length = ((target + 1).astype("datetime64[D]") - target.astype("datetime64[D]")).astype(np.int64)
    later: Days = target.astype("datetime64[D]") + np.minimum(day_of_month, length - 1).astype("timedelta64[D]")
    return later


def money(cents: Ints) -> pa.Array:
    """Return cents as decimal(12,2), exactly."""
    words = np.empty((len(cents), 2), dtype=np.int64)
    words[:, 0] = cents
    words[:, 1] = cents >> 63
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(cents), [None, pa.py_buffer(words)])


def choose(rng: np.random.Generator, count: int, shares: Sequence[float]) -> Ints:
    """Draw positions with the given shares."""
    return np.searchsorted(np.cumsum(shares) / sum(shares), rng.random(count), side="right").astype(np.int64)


def words(values: Sequence[str], positions: npt.NDArray[Any], *, missing: Flags | None = None) -> pa.Array:
    """Return `values` at `positions`, null where `missing`."""
    return pa.array(list(values), pa.string()).take(pa.array(positions, mask=missing))


def joined(*parts: pa.Array | str, separator: str = " ") -> pa.Array:
    """Join texts element by element; null where one of them is null."""
    return cast("pa.Array", pc.binary_join_element_wise(*parts, separator))


def texts(numbers: npt.NDArray[Any]) -> pa.Array:
    """Return numbers as text."""
    return pa.array(numbers).cast(pa.string())
