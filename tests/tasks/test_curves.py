from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.curves import POINTS, curves
from tests.tasks.toy_gallery import losses

HEAD = "step,octave,width,height,seconds,total,content\n"


def test_a_log_becomes_one_series_for_each_term():
    """The total comes first, then the terms, each with a value per step."""
    found = curves(losses(steps=10))

    assert list(found["series"]) == ["total", "content", "style"]
    assert found["steps"] == list(range(1, 11))


def test_a_long_log_is_thinned():
    """A thousand steps become a few, and the delivered loss is among them."""
    found = curves(losses(last=0.25, steps=1000))

    assert len(found["steps"]) <= POINTS + 4
    assert (found["steps"][0], found["steps"][-1]) == (1, 1000)
    assert found["series"]["total"][-1] == 0.25


def test_the_ends_of_an_octave_are_kept():
    """However thin, the jump between two octaves stays where it was."""
    found = curves(losses(steps=1000), points=4)

    assert found["octaves"] == [1, 501]
    assert {500, 501} <= set(found["steps"])


def test_what_is_not_finite_leaves_a_gap():
    """NaN has no place in JSON: the curve is broken there."""
    log = f"{HEAD}1,1,8,6,0,2.0,1.0\n2,1,8,6,1,nan,1.0\n3,1,8,6,2,1.0,0.5\n"

    assert curves(log.encode())["series"]["total"] == [2.0, None, 1.0]


def test_a_torn_line_is_passed_over():
    """The last line of a log that a kill cut short does no harm."""
    log = f"{HEAD}1,1,8,6,0,2.0,1.0\n2,1,8,6,1,1.0,0.5\n3,1,8"

    assert curves(log.encode())["steps"] == [1, 2]


def test_one_step_is_no_curve():
    """A log of one line cannot be drawn."""
    assert curves(f"{HEAD}1,1,8,6,0,2.0,1.0\n".encode()) is None


@given(st.binary(max_size=400))
def test_no_log_is_too_damaged(data):
    """Whatever a log holds, there are curves or none, and no error."""
    found = curves(HEAD.encode() + data)

    assert found is None or len(found["steps"]) > 1
