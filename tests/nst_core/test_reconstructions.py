"""Pictures from noise: the figure's layers, and how near the real network's pictures come."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nst_core.images import resize
from nst_core.octaves import Octaves
from nst_core.pictures import Pictures, Style
from nst_core.presets import preset
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from tests.nst_core.toy import natural

SHEET = preset("reconstruction-sheet")


def layers(recipe, kind):
    """Give the layers of a recipe's terms of one kind."""
    return [term.layer for term in recipe.terms if term.kind == kind]


def row(name):
    """Give the sheet's recipes of one row, block by block."""
    return [member.recipe for member in SHEET.family if member.axes[0] == ("of", name)]


def test_the_sheet_shows_a_content_layer_of_each_block():
    """Gatys, Ecker & Bethge 2016, figure 1."""
    assert [layers(recipe, "content") for recipe in row("content")] == [
        ["relu1_2"],
        ["relu2_2"],
        ["relu3_2"],
        ["relu4_2"],
        ["relu5_2"],
    ]


def test_the_sheet_shows_the_style_of_ever_more_layers():
    """Each block's first, and those of all blocks before."""
    firsts = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]

    assert [layers(recipe, "gram") for recipe in row("style")] == [
        firsts[:count] for count in range(1, 6)
    ]


def test_both_rows_start_from_the_same_noise_and_emerge_alike():
    """L-BFGS, 350 steps, seen after 0, 25, 70, 150 and 350."""
    recipes = [*row("content"), *row("style")]
    alike = {
        (recipe.start, recipe.noise, recipe.seed, recipe.optimizer.kind, recipe.octaves)
        for recipe in recipes
    }

    assert len(alike) == 1
    assert (recipes[0].start, recipes[0].optimizer.kind) == ("noise", "lbfgs")
    assert recipes[0].octaves.steps == (350,)
    assert SHEET.frames == (0, 25, 70, 150, 350)


def test_each_row_reads_its_own_picture():
    """The sheet as a whole needs both."""
    assert {recipe.reads for recipe in row("content")} == {frozenset({"content"})}
    assert {recipe.reads for recipe in row("style")} == {frozenset({"style"})}
    assert SHEET.reads == {"content", "style"}


def test_a_texture_reads_the_painting_alone():
    """From noise, coarse to fine."""
    recipe = preset("texture").recipe

    assert (recipe.reads, recipe.start) == (frozenset({"style"}), "noise")
    assert len(recipe.octaves.sides()) > 1


@pytest.mark.slow
@pytest.mark.parametrize("network", ["vgg19", "vgg16-hed"])
@pytest.mark.parametrize("block", [1, 2, 3, 4])
def test_a_content_reconstruction_comes_near_its_features(network: str, block: int):
    """Within 2 % of the noise's distance for relu1 to relu4, in a third of the steps."""
    recipe = replace(
        row("content")[block - 1], network=network, octaves=Octaves(size=64, steps=(120,))
    )
    (layer,) = layers(recipe, "content")
    content = natural(3, 64, 64)
    studio = Studio()
    features = studio.features(recipe)

    def distance(image):
        with torch.no_grad():
            apart = features(image, {layer})[layer] - features(content, {layer})[layer]
        return apart.square().mean().item()

    starts = []
    painted = synthesize(
        recipe,
        Pictures(content=content),
        studio=studio,
        on_start=lambda step: starts.append(distance(step.picture())),
    )

    assert distance((painted.image * 255).round() / 255) < 0.02 * starts[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["texture", "reconstruct-style"])
def test_a_texture_comes_near_its_statistics(name: str):
    """The objective falls below a tenth of the noise's, total variation included."""
    recipe = preset(name).recipe
    recipe = replace(recipe, octaves=replace(recipe.octaves, size=64, smallest=None, steps=(80,)))
    losses = []
    painted = synthesize(
        recipe,
        Pictures(styles=[Style(resize(natural(5), (80, 60)), key="style")]),
        studio=Studio(),
        on_step=lambda step: losses.append(sum(step.losses.values())) if step.step == 1 else None,
    )

    # The first logged picture is one step from the noise.
    assert sum(painted.losses.values()) < losses[0] / 10
