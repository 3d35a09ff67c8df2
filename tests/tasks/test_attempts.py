import math

import pytest

from nst_core.errors import RecipeError, WeightsError
from tasks.attempts import MEMORY_LADDER, CircuitBreaker, Decision, decide


@pytest.mark.parametrize("kind", ["input", "bug", "environment"])
def test_what_would_fail_again_is_given_up(kind):
    """No second try where nothing would be different."""
    assert decide([kind]) == Decision("give up")


def test_a_diverged_pair_gets_one_gentler_try():
    """Two tries in all."""
    assert decide(["diverged"]).action == "gentler"
    assert decide(["diverged", "diverged"]).action == "give up"


@pytest.mark.parametrize("kind", ["crash", "stall"])
def test_a_dead_or_stuck_pair_gets_two_more_tries(kind):
    """Three tries in all, each from the last checkpoint."""
    actions = [decide([kind] * count).action for count in (1, 2, 3)]

    assert actions == ["resume", "resume", "give up"]


def test_deaths_and_stalls_count_together():
    """Both mean that the worker was lost."""
    assert decide(["crash", "stall", "crash"]).action == "give up"


def test_failures_of_another_kind_do_not_count():
    """A pair that crashed before may still be painted more gently, and the other way round."""
    assert decide(["crash", "crash", "diverged"]).action == "gentler"
    assert decide(["diverged", "crash"]).action == "resume"


def test_memory_is_saved_rung_by_rung():
    """Each failure takes one rung more, and after the last there is none: no smaller picture."""
    rungs = [0]
    while (decision := decide(["resource"] * len(rungs), rung=rungs[-1])).action == "frugal":
        rungs.append(decision.rung)

    assert rungs == list(range(len(MEMORY_LADDER) + 1))
    assert decision.action == "give up"


def test_the_rung_is_kept_through_other_failures():
    """A crash does not make memory larger."""
    assert decide(["resource", "crash"], rung=2) == Decision("resume", 2)


def test_a_night_that_knows_its_rung_starts_from_there():
    """The rung of an earlier pair is where this one's ladder goes on."""
    assert decide(["resource"], rung=1).rung == 2


def test_io_is_tried_again_with_growing_pauses():
    """Up to a minute between two tries."""
    pauses = [decide(["io"] * count).pause for count in range(1, 10)]

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_io_is_tried_until_the_deadline():
    """However often, but not for a try that would come too late."""
    assert decide(["io"] * 1000, seconds_left=61).action == "resume"
    assert decide(["io"] * 1000, seconds_left=60).action == "give up"


def test_io_without_a_deadline_is_given_up_after_half_an_hour():
    """A night without an end must end."""
    failures = ["io"]
    waited = 0.0
    while (decision := decide(failures, seconds_left=math.inf)).action == "resume":
        waited += decision.pause
        failures.append("io")

    assert 1500 < waited < 2400


def test_five_environment_failures_in_a_row_end_the_run():
    """And the run knows why."""
    breaker = CircuitBreaker()
    errors = [WeightsError(f"pair {n}") for n in range(5)]
    for error in errors[:4]:
        breaker.failed(error)
    before = breaker.reason
    breaker.failed(errors[4])

    assert (before, breaker.reason) == (None, errors[4])


def test_a_success_ends_the_row():
    """The machine works after all."""
    breaker = CircuitBreaker()
    for _ in range(10):
        breaker.failed(WeightsError("damaged"))
        breaker.succeeded()

    assert breaker.reason is None


def test_a_bad_picture_neither_makes_nor_ends_a_row():
    """It says nothing about the machine."""
    breaker = CircuitBreaker(limit=2)
    for error in [RecipeError("r")] * 9 + [WeightsError("w"), RecipeError("r"), WeightsError("w")]:
        breaker.failed(error)

    assert isinstance(breaker.reason, WeightsError)
