"""Styles that paint regions: weighted statistics, where they lie, and what stays."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import pytest
import torch

from nst_core.activations import Guide
from nst_core.dials import Dials, turn
from nst_core.distributions import Histogram, MeanStd, SlicedWasserstein
from nst_core.errors import RecipeError
from nst_core.images import decode, resize
from nst_core.kernels import Moments
from nst_core.legibility import legibility
from nst_core.masks import mask_of
from nst_core.objective import bind
from nst_core.octaves import Octave, Octaves
from nst_core.pictures import Pictures, Style
from nst_core.presets import preset
from nst_core.regions import Guidance, Layout
from nst_core.statistics import gram_matrix, moments, ranked
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from nst_core.terms import Content, Gamut, Gram, TotalVariation, Wasserstein
from nst_core.transforms import Jitter
from tests.nst_core.test_tiled_objective import DoubleStudio, difference
from tests.nst_core.toy import convolutions, natural, noise, picture, toy_recipe

STYLE_TERMS = (
    Gram(layer="relu1_1", weight=2.0),
    Gram(layer="relu2_1", weight=3.0, divide_by="chw"),
    Wasserstein(layer="relu2_1", weight=3.0),
    MeanStd(layer="relu1_1", weight=2.0),
    Histogram(layer="relu1_1", weight=2.0, bins=8),
    SlicedWasserstein(layer="relu2_1", weight=2.0, bins=8),
)
# By their measurements these are means over positions, which tiles need.
AVERAGED = STYLE_TERMS[:4]
OCTAVE = Octave(size=(24, 32), side=32, steps=1)


def half(height=24, width=32, *, soft=False):
    """Give a mask of the left half, its edge hard or fading over four columns."""
    mask = torch.zeros(1, 1, height, width)
    mask[..., : width // 2] = 1
    if soft:
        mask[..., width // 2 - 2 : width // 2 + 2] = torch.tensor([0.8, 0.6, 0.4, 0.2])
    return mask


def style(seed, region, **fields):
    return Style(picture(seed, 20, 20), key=f"style {seed}", region=region, **fields)


def bound(recipe, studio, styles, regions, *, tile=None, octave=OCTAVE, content=None):
    """Bind an objective with regions."""
    layout = Layout.of(regions, [one.region for one in styles], octave.size)
    content = picture(0, *octave.size) if content is None else content
    return bind(recipe, studio, octave, content, styles, tile=tile, layout=layout)


def test_weighted_moments_are_those_written_out_by_hand():
    """Two positions, one of which counts three times as often."""
    maps = torch.tensor([[[[1.0, 2.0]], [[0.0, 4.0]]]])
    weights = torch.tensor([[[[1.5, 0.5]]]])
    mean, second = moments(maps, weights)

    torch.testing.assert_close(mean, torch.tensor([[1.25, 1.0]]))
    torch.testing.assert_close(second, torch.tensor([[[1.75, 2.0], [2.0, 4.0]]]))


def test_a_guided_gram_matrix_is_that_of_guided_maps():
    """Gatys et al. 2017, eq. 6: the maps times the guidance channel, whose squares are weights."""
    maps, weights = noise(1, 5, 6, 7), noise(1, 1, 6, 7, seed=1).square()
    guided = (maps * weights.sqrt()).flatten(2)

    torch.testing.assert_close(gram_matrix(maps, weights), guided @ guided.mT / 42)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weighted_moments_are_at_least_fp32(dtype):
    """Maps in bf16 are summed as wide as without weights."""
    maps, weights = noise(1, 8, 30, 30).to(dtype), half(30, 30) * 2
    mean, second = moments(maps, weights)
    expected = moments(maps[..., :15].contiguous())

    assert mean.dtype == second.dtype == torch.float32
    torch.testing.assert_close((mean, second), expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_weighted_moments_is_that_of_autograd():
    """Written out in plain operations, in float64, autograd finds the same."""
    maps, weights = noise(2, 4, 5, 6).requires_grad_(), noise(1, 1, 5, 6, seed=1).square()
    vectors = maps.flatten(2)
    plain = (
        (vectors * weights.flatten(2)).mean(-1),
        (vectors * weights.flatten(2)) @ vectors.mT / 30,
    )
    to = noise(2, 4, seed=2), noise(2, 4, 4, seed=3)
    expected = torch.autograd.grad(plain, maps, to)
    found = torch.autograd.grad(Moments.apply(maps, weights), maps, to)

    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradcheck(lambda each: Moments.apply(each, weights), maps)


@pytest.mark.parametrize("term", STYLE_TERMS, ids=lambda term: term.kind)
def test_weights_of_one_change_nothing(term):
    """A region that is everything has the statistics of everything."""
    maps = noise(1, 4, 8, 9)
    found = term.measure(maps, torch.ones(1, 1, 8, 9))

    torch.testing.assert_close(found, term.measure(maps))


@pytest.mark.parametrize("term", STYLE_TERMS, ids=lambda term: term.kind)
def test_what_lies_outside_a_region_is_never_looked_at(term):
    """The statistics of the left half are those of the left half alone, whatever is beside it."""
    maps, weights = noise(1, 4, 8, 16), half(8, 16) * 2

    torch.testing.assert_close(
        term.measure(maps, weights.double()), term.measure(maps[..., :8].contiguous())
    )


@pytest.mark.parametrize("term", STYLE_TERMS, ids=lambda term: term.kind)
def test_weighted_gradients_are_right(term):
    """In float64, against differences of the loss."""
    maps = noise(1, 3, 4, 6).requires_grad_()
    weights = noise(1, 1, 4, 6, seed=1).square()
    target = term.target(term.measure(noise(1, 3, 5, 5, seed=2)))

    assert torch.autograd.gradcheck(
        lambda each: term.loss(term.measure(each, weights), target), maps
    )


def test_a_value_between_two_weighted_groups_belongs_to_both():
    """Of weights 1, 2, 1 in two groups, the middle value goes half to either."""
    values = torch.tensor([[[6.0, 0.0, 3.0]]])
    weights = torch.tensor([1.0, 1.0, 2.0])

    torch.testing.assert_close(ranked(values, 2, weights), torch.tensor([[[1.5, 4.5]]]))


def test_cells_belong_to_a_region_by_as_much_as_they_cover():
    """Averages of the mask, scaled so that weights are 1 on average."""
    mask = half(4, 8)
    mask[..., 4] = 0.5
    guidance = Guidance(mask)

    covered = torch.tensor([1.0, 1.0, 0.25, 0.0])
    torch.testing.assert_close(guidance.at((1, 4)).flatten(), covered / covered.mean())


def test_cells_at_the_edge_of_a_styles_region_are_left_out():
    """They see what lies beyond; a region that is all edge keeps them."""
    inside = Guidance(half(8, 16), inside=True).at((8, 16))
    strip = torch.zeros(1, 1, 8, 16)
    strip[..., 5:7] = 1

    assert inside[0, 0, 4].count_nonzero() == 7
    assert Guidance(strip, inside=True).at((8, 16))[0, 0, 4].count_nonzero() == 2


def test_regions_share_where_they_overlap():
    """Nowhere is more painted than there is; what is in none is the rest."""
    left, all_of_it = half(), torch.ones(1, 1, 24, 32)
    all_of_it[..., 24:] = 0
    masks = Layout.of({"a": left, "b": all_of_it}, ["a", "b", "rest"], (24, 32)).masks

    assert masks["a"][0, 0, 0, [0, 20, 30]].tolist() == [0.5, 0, 0]
    assert masks["b"][0, 0, 0, [0, 20, 30]].tolist() == [0.5, 1, 0]
    assert masks["rest"][0, 0, 0, [0, 20, 30]].tolist() == [0, 0, 1]


def test_a_region_without_a_style_is_no_part_of_the_rest():
    """It stays the photo's, while all that lies in no region is painted."""
    layout = Layout.of({"dog": half()}, ["rest"], (24, 32))
    canvas, content = picture(1, 24, 32), picture(2, 24, 32)
    seen = layout.over(canvas, content)

    assert torch.equal(seen[..., :16], content[..., :16])
    assert torch.equal(seen[..., 16:], canvas[..., 16:])
    assert layout.within(torch.ones_like(canvas))[0, 0, 0].tolist() == [0] * 16 + [1] * 16


def test_where_everything_is_painted_nothing_is_mixed():
    """The canvas itself is judged, not a copy of it."""
    layout = Layout.of({"a": half(soft=True)}, ["a", "rest"], (24, 32))
    canvas = picture(1, 24, 32)

    assert layout.over(canvas, picture(2, 24, 32)) is canvas


@pytest.mark.parametrize(
    ("painted", "masks", "said"),
    [
        (["dgo"], {"dog": half()}, "no region 'dgo'; it has dog"),
        (["a", "rest"], {"a": torch.ones(1, 1, 24, 32)}, "nothing is left of region 'rest'"),
    ],
)
def test_a_region_that_is_not_there_is_refused(painted, masks, said):
    """By its name; the manifest tells this earlier and better, as far as it can know."""
    with pytest.raises(RecipeError, match=said) as caught:
        Layout.of(masks, painted, (24, 32))

    assert caught.value.code == "E-RECIPE-REGION"


def test_parts_are_told_by_region_and_weigh_as_much_as_the_region(studio):
    """Names carry the region; two halves of one style weigh as the whole would."""
    recipe = toy_recipe(terms=(Content(layer="relu2_1"), *STYLE_TERMS[:1]))
    image, flat = picture(7, 24, 32), torch.cat([picture(3, 24, 16)] * 2, -1)
    parts = bound(recipe, studio, [style(1, "a"), style(1, "rest")], {"a": half()}).parts(image)
    assert list(parts) == ["content_relu2_1", "gram_relu1_1@a", "gram_relu1_1@rest"]

    # Of one column next to the seam the network sees both halves.
    double = bound(recipe, studio, [style(1, "a"), style(1, "rest")], {"a": half()}).parts(flat)
    whole = bind(recipe, studio, OCTAVE, flat, [style(1, "")]).parts(flat)
    together = double["gram_relu1_1@a"] + double["gram_relu1_1@rest"]
    torch.testing.assert_close(together, whole["gram_relu1_1"], rtol=0.1, atol=0)


def test_a_regions_target_is_its_own_styles(studio):
    """Each region compares with its style, and a style's own region with that part of it."""
    recipe = toy_recipe(terms=AVERAGED[:1], style_fit="longest")
    mask = half(32, 32)
    styles = [style(1, "a"), replace(style(2, "rest"), mask=mask)]
    image = picture(7, 24, 32)
    parts = bound(recipe, studio, styles, {"a": half()}).parts(image)
    features, term = studio.features(recipe), AVERAGED[0]
    (layer,) = {term.layer}

    def expected(seed, guide, weights):
        fitted = resize(picture(seed, 20, 20), (32, 32), "bicubic")
        target = term.target(term.measure(features(fitted, {layer})[layer], weights))
        found = term.measure(features(image, {layer})[layer], guide / guide.mean())
        return (term.weight * guide.mean() * term.loss(found, target)).item()

    inner = torch.zeros(1, 1, 32, 32)
    inner[..., :15] = 32 / 15
    assert parts["gram_relu1_1@a"].item() == pytest.approx(expected(1, half(), None), rel=1e-4)
    assert parts["gram_relu1_1@rest"].item() == pytest.approx(
        expected(2, 1 - half(), inner), rel=1e-4
    )


@pytest.mark.parametrize("size", [(45, 38), (17, 50)], ids=str)
@pytest.mark.parametrize("side", [16, 24])
def test_tiles_do_not_show_in_regions(size, side):
    """Weighted means are means: in float64, tiles change no digit that counts."""
    terms = (Content(layer="relu2_1"), *AVERAGED, TotalVariation(weight=0.3), Gamut(weight=5.0))
    recipe, studio = toy_recipe(terms=terms), DoubleStudio(convolutions)
    octave = Octave(size=size, side=max(size), steps=1)
    content, image = natural(0, *size).double(), natural(2, *size).double()
    styles = [
        Style(natural(3, 40, 50).double(), "one", region="a"),
        Style(natural(4, 50, 40).double(), "other", region="rest", mask=half(50, 40).double()),
    ]
    regions = {"a": half(*size, soft=True).double()}
    whole = bound(recipe, studio, styles, regions, octave=octave, content=content)
    tiled = bound(recipe, studio, styles, regions, octave=octave, content=content, tile=side)
    (loss, gradient), (tiled_loss, tiled_gradient) = whole(image), tiled(image)

    assert tiled_loss.item() == pytest.approx(loss.item(), rel=1e-12)
    assert difference(gradient, tiled_gradient) < 1e-12
    torch.testing.assert_close(tiled.parts(image), whole.parts(image), rtol=1e-12, atol=0)


def painting(**changes):
    """Give a recipe of two octaves."""
    terms = (Content(layer="relu2_1", weight=0.02), *STYLE_TERMS[:3])
    fields = {"terms": terms, "octaves": Octaves(size=32, smallest=16, steps=(6,)), "log_every": 2}
    return toy_recipe(**fields | changes)


PICTURES = Pictures(
    content=picture(0, 24, 32), styles=[style(1, "dog")], regions={"dog": half(48, 64)}
)


@pytest.mark.parametrize(
    "color", ["style", "match-content", "keep-luminance", "chroma-after", "palette"]
)
def test_what_has_no_style_stays_the_photos(studio, color):
    """Not one pixel beside the region is changed, whatever happens to colours; within it, many."""
    content = resize(PICTURES.content, (24, 32))
    found = synthesize(painting(color=color), PICTURES, studio=studio).image
    apart = (found - content).abs()

    assert apart[..., 17:].max() < 2e-6
    assert apart[..., :15].mean() > 0.005


def test_the_neighbour_of_a_region_is_seen_as_the_photo_that_it_is(studio):
    """From noise, too, the loss of the delivered picture is that of the picture in its photo."""
    found = synthesize(painting(start="noise"), PICTURES, studio=studio)
    content = resize(PICTURES.content, (24, 32))

    torch.testing.assert_close(found.image[..., 17:], content[..., 17:])
    assert found.losses["gram_relu1_1@dog"] > 0


def test_a_resumed_painting_of_regions_is_the_same(studio):
    """Bitwise, from a snapshot in the middle of either octave."""
    recipe = painting()
    pictures = replace(PICTURES, styles=[style(1, "dog"), style(2, "rest", mask=half(20, 20))])
    taken = []
    whole = synthesize(
        recipe, pictures, studio=studio, on_step=lambda step: taken.append(step.snapshot())
    )
    for snapshot in (taken[2], taken[8]):
        again = synthesize(recipe, pictures, studio=studio, resume=snapshot)
        assert torch.equal(again.image, whole.image)
        assert again.losses == whole.losses


def test_each_region_takes_its_own_styles_statistics_and_not_the_neighbours(studio):
    """Painted, a region is nearer to its own style than to the other's, by much."""
    terms = (Content(layer="relu2_1", weight=1e-3), Wasserstein(layer="relu1_1", weight=10.0))
    recipe = painting(terms=terms, octaves=Octaves(size=48, steps=(40,)))
    regions = {"a": half(36, 48)}
    both = [style(1, "a"), style(2, "rest")]
    pictures = Pictures(content=picture(0, 36, 48), styles=both, regions=regions)
    found = synthesize(recipe, pictures, studio=studio).image

    octave = Octave(size=(36, 48), side=48, steps=1)
    exchanged = [replace(both[0], region="rest"), replace(both[1], region="a")]
    own, other = (
        bound(recipe, studio, styles, regions, octave=octave, content=picture(0, 36, 48)).parts(
            found
        )
        for styles in (both, exchanged)
    )
    for name in ("wasserstein_relu1_1@a", "wasserstein_relu1_1@rest"):
        assert own[name] < 0.2 * other[name]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"terms": (Gram(layer="relu1_1"),), "start": "noise"}, "no content"),
        ({"terms": (Gram(layer="relu1_1"),), "transforms": (Jitter(),)}, "transforms"),
        ({"terms": (Content(layer="relu1_1"), Guide(layer="relu1_1"))}, "guide"),
        ({"terms": (Content(layer="relu1_1"),), "color": "palette"}, "no style term"),
    ],
    ids=["content", "transforms", "guide", "style"],
)
def test_recipes_that_know_no_regions_say_why(studio, changes, said):
    """A region would be ignored there, or be somewhere else."""
    recipe = toy_recipe(**changes)

    assert said in recipe.against_regions
    with pytest.raises(RecipeError, match=said) as caught:
        synthesize(recipe, PICTURES, studio=studio)
    assert caught.value.code == "E-RECIPE-REGION"


def test_styles_paint_regions_or_all():
    """A style of everything among those of regions has no place of its own."""
    pictures = replace(PICTURES, styles=[style(1, "dog"), style(2, "")])
    with pytest.raises(RecipeError, match="some do not"):
        synthesize(painting(), pictures, studio=DoubleStudio(convolutions))


def test_colours_are_matched_region_by_region(studio):
    """A style recoloured for a region has the colours of that region, not of the whole photo."""
    content = torch.zeros(1, 3, 24, 32)
    content[:, 0, :, :16], content[:, 2, :, 16:] = 0.8, 0.6
    content += 0.02 * picture(5, 24, 32)
    recipe = painting(color="match-content", terms=(Gram(layer="image"), Content(layer="relu2_1")))
    layout = Layout.of({"dog": half()}, ["dog"], (24, 32))
    objective = bind(recipe, studio, OCTAVE, content, [style(1, "dog")], layout=layout)

    # In its own colours the region is at the target, up to the style's clipped colours.
    at_home = objective.parts(content)["gram@dog"]
    elsewhere = objective.parts(content.flip(-1))["gram@dog"]
    assert at_home < 0.05 * elsewhere


@pytest.mark.slow
def test_in_the_gallerys_recipe_regions_match_their_own_styles():
    """With the real network: by the sum over its layers, and by the early ones for themselves."""
    pictures = resources.files("manifests.examples") / "pictures"

    def read(name):
        return decode((pictures / name).read_bytes()).pixels

    recipe = turn(preset("gallery").recipe, Dials(size=128))
    studio = Studio()
    styles = [
        Style(read("building_up_texture/van_gogh_village_street_in_auvers.jpg"), "a", region="dog"),
        Style(read("ukiyo_e/hokusai_great_wave.jpg"), "b", region="rest"),
    ]
    mask = mask_of(read("masks/german_shepherd.png"))
    content = read("contents/german_shepherd.jpg")
    given = Pictures(content=content, styles=styles, regions={"dog": mask})
    found = synthesize(recipe, given, studio=studio).image

    size = (found.shape[-2], found.shape[-1])
    layout = Layout.of({"dog": mask}, ["dog", "rest"], size)
    exchanged = [replace(styles[0], region="rest"), replace(styles[1], region="dog")]
    octave = Octave(size=size, side=max(size), steps=1)
    photo = resize(content, size)
    own, other = (
        bind(recipe, studio, octave, photo, each, layout=layout).parts(found)
        for each in (styles, exchanged)
    )
    for region in ("dog", "rest"):
        names = [name for name in own if name.endswith(f"@{region}")]
        assert sum(own[name] for name in names) < 0.25 * sum(other[name] for name in names)
        # The deepest layer sees across regions of this size.
        assert all(own[name] < 0.7 * other[name] for name in names[:3])


def test_legibility_is_that_of_what_is_painted():
    """The photo beside a region is legible in any case, and says nothing of the painting."""
    content, painted = natural(1, 64, 96), natural(2, 64, 96)
    mask = half(64, 96)
    seen = torch.where(mask.bool(), painted, content)
    features = Studio().features(preset("gallery").recipe)

    whole = legibility(seen, content, features)
    within = legibility(seen, content, features, mask)
    beside = legibility(seen, content, features, 1 - mask)
    assert within < whole < beside
    everywhere = legibility(seen, content, features, torch.ones_like(mask))
    assert everywhere == pytest.approx(whole, abs=1e-4)
