"""How the seconds of a shared container are divided among its steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datavision_runtime.shared.share import MINIMUM_SECONDS, Shares


def test_the_start_belongs_to_the_first_step_and_a_pause_to_the_next() -> None:
    shares = Shares(began=100.0)
    shares.start("a", 130.0)
    assert shares.end("a", 140.0) == 40.0
    shares.start("b", 150.0)
    assert shares.end("b", 155.0) == 15.0


def test_steps_that_run_side_by_side_share_evenly() -> None:
    shares = Shares(began=0.0)
    shares.start("a", 0.0)
    shares.start("b", 10.0)
    assert shares.end("a", 20.0) == 15.0
    assert shares.end("b", 30.0) == 15.0


def test_the_last_step_pays_what_is_missing_to_the_minute() -> None:
    shares = Shares(began=0.0)
    shares.start("a", 5.0)
    assert shares.end("a", 20.0, last=True) == MINIMUM_SECONDS


def test_after_the_minute_the_last_step_pays_nothing_more() -> None:
    shares = Shares(began=0.0)
    shares.start("a", 0.0)
    assert shares.end("a", 80.0, last=True) == 80.0


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=8))
def test_the_shares_add_up_to_the_time_from_the_beginning_to_the_last_end(steps: list[tuple[float, float]]) -> None:
    shares = Shares(began=0.0)
    moments = [(begin, 0, str(n)) for n, (begin, _) in enumerate(steps)]
    moments += [(begin + length, 1, str(n)) for n, (begin, length) in enumerate(steps)]
    total = 0.0
    for moment, ends, step in sorted(moments):
        if ends:
            total += shares.end(step, moment)
        else:
            shares.start(step, moment)
    assert total == pytest.approx(max(begin + length for begin, length in steps), abs=1e-6)
