"""How well a subject can be named, by the real network."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import interpolate

from nst_core.dials import Dials, turn
from nst_core.errors import RecipeError
from nst_core.legibility import legibility
from nst_core.pictures import Pictures, Style
from nst_core.presets import preset
from nst_core.recipe import Recipe
from nst_core.sketches import SKETCHES
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from nst_core.terms import Content, Gram
from tests.nst_core.toy import natural

GALLERY = preset("gallery").recipe


@pytest.fixture(scope="module")
def studio() -> Studio:
    """One for all: its network is loaded once."""
    return Studio()


@pytest.fixture(scope="module")
def features(studio):
    """The gallery's network."""
    return studio.features(replace(GALLERY, precision="fp32"))


@pytest.fixture(scope="module")
def content() -> torch.Tensor:
    """Shapes on a ground."""
    return natural(0, 96, 128)


def test_the_content_is_legible_in_itself(content, features):
    """As well as can be."""
    assert legibility(content, content, features) == pytest.approx(1, abs=1e-3)


def test_noise_is_not_legible(content, features):
    """Nothing is to be seen in it."""
    noise = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))

    assert legibility(noise, content, features) < 0.35


def test_another_picture_is_not_legible_as_this(content, features):
    """Its edges run elsewhere."""
    assert legibility(natural(5, 96, 128), content, features) < 0.5


def test_less_is_legible_under_more_noise(content, features):
    """A measure to steer by."""
    noise = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    seen = [legibility(content.lerp(noise, share), content, features) for share in (0, 0.5, 0.8, 1)]

    assert seen == sorted(seen, reverse=True)


def test_strokes_around_a_subject_leave_it_legible(content, features):
    """Their edges run where the photo has none; the object is there all the same."""
    down, right = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    ground = ((right - 64).square() + (down - 48).square() >= 30**2).float()
    subject = 0.5 + (content - 0.5) * (1 - ground)
    strokes = torch.sin(2 * torch.pi * (right + down) / 10)

    assert legibility(subject + 0.2 * strokes * ground, subject, features) > 0.55


def test_size_does_not_matter(content, features):
    """A large picture is looked at from farther away."""
    mixed = content.lerp(natural(3, 96, 128), 0.5)
    larger = interpolate(mixed, (288, 384), mode="bicubic").clamp(0, 1)

    assert legibility(larger, content, features) == pytest.approx(
        legibility(mixed, content, features), abs=0.05
    )


def painting(studio, legible, **others):
    recipe = turn(
        GALLERY,
        Dials(
            size=48, steps=(4,), precision="fp32", legibility=legible, seed=others.pop("seed", 0)
        ),
    )
    pictures = Pictures(natural(0, 36, 48), [Style(natural(7, 48, 48), key="seven")])
    return synthesize(recipe, pictures, studio=studio, **others)


def test_the_weight_is_found_for_the_pair(studio):
    """More legible by a larger weight."""
    faint, plain = painting(studio, 0.5), painting(studio, 0.95)

    assert faint.content_factor < plain.content_factor
    assert faint.losses["content_relu4_2"] / faint.content_factor > (
        plain.losses["content_relu4_2"] / plain.content_factor
    )


def test_a_painting_goes_on_with_the_weight_that_was_found(studio):
    """Bitwise, without another sketch."""
    snapshots, sketched = [], []
    whole = painting(
        studio,
        0.9,
        on_step=lambda step: snapshots.append(step.snapshot()),
        on_sketch=sketched.append,
    )
    before = len(sketched)
    resumed = painting(studio, 0.9, resume=snapshots[1], on_sketch=sketched.append)

    assert torch.equal(resumed.image, whole.image)
    assert resumed.content_factor == whole.content_factor != 1
    assert len(sketched) == before > 0


def test_sketches_are_numbered(studio):
    """So that whoever waits sees how far they are."""
    seen: list[int] = []

    painting(studio, 0.9, on_sketch=seen.append)

    assert seen == sorted(seen)
    assert set(seen) == set(range(1, seen[-1] + 1))
    assert seen[-1] <= SKETCHES


def test_sketches_can_be_stopped(studio):
    """Where a run ends, there is not much to wait for."""

    def stop(_: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        painting(studio, 0.9, on_sketch=stop)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"terms": (Content(),)}, "compares no style"),
        ({"legibility": 1.5}, "legibility is 1.5; it must lie between 0.05 and 0.99"),
    ],
)
def test_what_cannot_be_weighed_is_refused(changes, complaint: str):
    """Before anything is painted."""
    with pytest.raises(RecipeError, match=complaint):
        replace(GALLERY, **changes)


def test_a_network_that_tells_no_objects_is_refused():
    """Legibility is seen at a VGG's layer."""
    terms = (Content(layer="block3"), Gram(layer="block1"))
    with pytest.raises(RecipeError, match="relu5_1, which efficientnet-lite0 does not have"):
        Recipe(network="efficientnet-lite0", terms=terms, legibility=0.6)
