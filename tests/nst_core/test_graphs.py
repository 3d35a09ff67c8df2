"""CUDA graphs on a recorder that does on a CPU what they do on a card.

It notes every operation with the memory that it reads and writes; a replay does them again, in that
memory. What a recording must not hold, a value that the host has looked at, is wrong in a replay.
"""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nst_core.graphs import GraphedObjective
from nst_core.objective import Objective, bind
from nst_core.optimizers import LBFGS
from nst_core.studio import Studio
from nst_core.terms import Gram
from nst_core.transforms import Jitter
from tests.nst_core.toy import convolutions, picture, style, toy_recipe, toy_studio
from tests.nst_core.toy_painting import TERMS


class Tape(TorchDispatchMode):
    """Notes operations, and does them again."""

    def __init__(self) -> None:
        super().__init__()
        self.notes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.notes.append((func, args, kwargs or {}, out))
        return out

    def replay(self) -> None:
        """Do all of it again, in the same memory."""
        with torch.no_grad():
            for func, args, kwargs, out in self.notes:
                for old, new in zip(
                    tree_leaves(out), tree_leaves(func(*args, **kwargs)), strict=True
                ):
                    if isinstance(old, torch.Tensor):
                        old.detach().copy_(new)


class Graph:
    """Stands in for ``torch.cuda.CUDAGraph``."""

    def __init__(self) -> None:
        self.tape = Tape()

    def capture_begin(self) -> None:
        """Begin to note."""
        self.tape.__enter__()

    def capture_end(self) -> None:
        """Note no more."""
        self.tape.__exit__(None, None, None)

    def replay(self) -> None:
        """Do again what was noted."""
        self.tape.replay()


class Refusing(Graph):
    """Is as a driver that cannot record what is asked of it."""

    def capture_begin(self) -> None:
        """Refuse."""
        raise RuntimeError("operation not permitted when stream is capturing")

    def capture_end(self) -> None:
        """Have nothing to end."""


class Forgetful(Graph):
    """Gives nothing back, and says nothing of it."""

    def replay(self) -> None:
        """Leave zeros in all memory that was written."""
        for *_, out in self.tape.notes:
            for tensor in tree_leaves(out):
                if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                    tensor.detach().zero_()


@pytest.fixture
def card(monkeypatch):
    """Let recordings be made on the CPU, by a recorder of the test's choice."""

    def put(graph: type[Graph]) -> None:
        stream = SimpleNamespace(wait_stream=lambda _: None)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", graph)
        monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
        monkeypatch.setattr(torch.cuda, "stream", nullcontext)

    return put


def objective_of(**changes) -> Objective:
    """Bind a toy recipe to a content and a style."""
    recipe = toy_recipe(**changes)
    (octave,) = recipe.octaves.plan((12, 16))
    return bind(recipe, toy_studio(), octave, picture(0), [style(1)])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("term", TERMS, ids=str)
def test_replay_gives_what_the_objective_gives(card, term, precision):
    """For another canvas than the one it was recorded on, whatever the term."""
    card(Graph)
    objective = objective_of(terms=(term,), precision=precision)
    graphed = GraphedObjective(objective)
    for seed in range(4):
        graphed(picture(seed))
    canvas = 0.5 + 1.6 * (picture(9) - 0.5)
    loss, gradient = graphed(canvas)
    alone, expected = objective(canvas)

    assert graphed._recording is not None
    torch.testing.assert_close(loss, alone)
    torch.testing.assert_close(gradient, expected)
    assert {name: float(part) for name, part in graphed.latest.items()} == pytest.approx(
        {name: float(part) for name, part in objective.latest.items()}, rel=1e-5
    )


def test_replay_leaves_earlier_results_alone(card):
    """L-BFGS keeps gradients, and the watch over divergence keeps losses."""
    card(Graph)
    graphed = GraphedObjective(objective_of())
    for seed in range(4):
        graphed(picture(seed))
    loss, gradient = graphed(picture(5))
    latest = graphed.latest
    before = [loss.clone(), gradient.clone(), *(part.clone() for part in latest.values())]
    graphed(picture(6))

    assert all(map(torch.equal, before, [loss, gradient, *latest.values()]))


def test_painting_by_replays_is_the_painting(card):
    """A whole descent sees no difference."""
    card(Graph)
    painted = []
    for objective in (objective_of(), GraphedObjective(objective_of())):
        descent = LBFGS().start(picture(5), toy_recipe().canvas)
        for _ in range(8):
            descent.step(objective)
        painted.append(descent.picture)

    torch.testing.assert_close(*painted)


def test_refused_recording_is_told_and_done_without(card, caplog):
    """Steps are launched one by one then, and it is not tried again and again."""
    card(Refusing)
    graphed = GraphedObjective(objective_of())
    for seed in range(6):
        loss, _ = graphed(picture(seed))

    assert torch.equal(loss, objective_of()(picture(5))[0])
    assert [record.message for record in caplog.records] == [
        "no CUDA graph of a step, steps are launched one by one:"
        " operation not permitted when stream is capturing"
    ]


def test_replay_that_gives_something_else_is_never_used(card, caplog):
    """A wrong gradient would spoil the picture without a word."""
    card(Forgetful)
    graphed = GraphedObjective(objective_of())
    for seed in range(6):
        loss, _ = graphed(picture(seed))

    assert torch.equal(loss, objective_of()(picture(5))[0])
    assert "is not the objective's" in caplog.text


@pytest.mark.parametrize(
    ("graphs", "changes", "kind"),
    [
        (True, {}, GraphedObjective),
        (False, {}, Objective),
        (True, {"terms": (Gram(layer="relu1_1"),), "transforms": (Jitter(pixels=2),)}, Objective),
    ],
)
def test_recorded_where_it_is_wanted_and_can_be(graphs, changes, kind):
    """Transforms are drawn anew for each step."""
    studio = Studio("meta", load=convolutions)
    studio.graphs = graphs
    recipe = toy_recipe(**changes)
    (octave,) = recipe.octaves.plan((12, 16))

    assert type(bind(recipe, studio, octave, picture(0).to("meta"), [style(1)])) is kind


def test_a_cpu_records_nothing():
    """There is no launch to be saved."""
    assert not Studio("cpu", graphs=True).graphs
