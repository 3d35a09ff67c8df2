from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torchvision.models import googlenet, inception_v3
from torchvision.transforms.functional import normalize

import manifests.examples
from nst_core.activations import Unit
from nst_core.errors import RecipeError, WeightsError
from nst_core.features import Features
from nst_core.images import decode, resize
from nst_core.networks import Download, Network, network
from nst_core.octaves import Octaves
from nst_core.pictures import Pictures
from nst_core.recipe import Recipe
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from nst_core.terms import Content, Gram
from nst_core.weights import load_weights
from nst_core.weights_files import weights_path
from tests.nst_core.toy import picture, style

PICTURES = Path(manifests.examples.__file__).parent / "pictures"
NAMES = ("googlenet", "inception-v3", "efficientnet-lite0")


class Twin(NamedTuple):
    """A network as its authors run it, and the row that reads the same weights."""

    row: Network
    model: nn.Module

    def maps(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Give what every module of the model put out, as it was at that moment, and `logits`."""
        found = {}

        def keep(name):
            return lambda module, given, out: found.__setitem__(name, out.clone())

        hooks = [
            module.register_forward_hook(keep(name)) for name, module in self.model.named_modules()
        ]
        if self.row.name == "efficientnet-lite0":
            mean, std = [127 / 255] * 3, [128 / 255] * 3
        else:
            mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
        found["logits"] = self.model(normalize(image, mean, std))
        for hook in hooks:
            hook.remove()
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of downloaded weights."""
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def twins(folder) -> dict[str, Twin]:
    """Every network of stages with weights: seeded ones where the published are a download."""
    found = {}
    for name, build in (("googlenet", googlenet), ("inception-v3", inception_v3)):
        with torch.random.fork_rng():
            torch.manual_seed(7)
            # As the published files: with heads for training, for pictures that torchvision has
            # normalised by ImageNet's mean.
            model = build(
                weights=None, aux_logits=True, init_weights=False, transform_input=True
            ).eval()
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    nn.init.normal_(module.running_mean, std=0.1)
                    nn.init.uniform_(module.running_var, 0.02, 0.1)
                    nn.init.normal_(module.bias, std=0.1)
        path = folder / f"{name}-{'0' * 8}.pth"
        torch.save(model.state_dict(), path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        source = Download(
            url=f"https://example.org/{path.name}", sha256=digest, megabytes=1, format="state-dict"
        )
        found[name] = Twin(replace(network(name), source=source), model)
    row = network("efficientnet-lite0")
    model = EfficientNet.from_name("efficientnet-lite0").eval()
    model.load_state_dict(torch.load(weights_path(row), weights_only=True))
    found["efficientnet-lite0"] = Twin(row, model)
    return found


@pytest.fixture(scope="module")
def loaded(twins, folder) -> dict[str, Features]:
    """The networks as this product runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NST_WEIGHTS", str(folder))
        return {name: Features(twin.row, load_weights(twin.row)) for name, twin in twins.items()}


@pytest.fixture(params=NAMES)
def twin(request, twins) -> Twin:
    """Each of the networks in turn."""
    return twins[request.param]


@pytest.fixture
def features(twin: Twin, loaded) -> Features:
    """The same network as this product runs it."""
    return loaded[twin.row.name]


def module_of(layer: str) -> str:
    """Give the model's own name of a layer's module."""
    if layer.startswith("block"):
        return f"_blocks.{int(layer.removeprefix('block')) - 1}"
    return layer.replace("[", ".").replace("]", "")


def test_maps_are_those_of_the_authors_own_model(twin: Twin, features: Features):
    """Every layer at once, at the moment its module put it out: nothing later writes into them."""
    image = picture(0, 97, 122)
    with torch.no_grad():
        maps, expected = features(image, twin.row.layers), twin.maps(image)

    assert list(twin.row.layers)[-1] == "logits"
    for layer in set(twin.row.layers) - {"stem", "head"}:
        exact = expected[module_of(layer)]
        assert exact.norm() > 0, layer
        assert (maps[layer] - exact).norm() < 1e-4 * exact.norm(), layer


def test_channels_are_those_of_the_maps(twin: Twin, features: Features):
    """The table, which knows nothing of torch, counts as the modules do."""
    with torch.no_grad():
        maps = features(picture(0, 80, 80), twin.row.layers)

    assert {layer: maps[layer].shape[1] for layer in maps} == {
        layer: twin.row.channels(layer) for layer in twin.row.layers
    }


def test_every_stage_of_the_model_is_a_layer(twin: Twin):
    """What the model computes one after the other is in the table, but for the classifier."""
    children = {name.lstrip("_") for name, _ in twin.model.named_children()}
    known = {layer.partition(".")[0] for layer in twin.row.layers}
    heads = {"aux1", "aux2", "AuxLogits", "avgpool", "dropout", "fc"}
    renamed = {"conv_stem", "bn0", "swish", "blocks", "conv_head", "bn1", "avg_pooling"}

    assert children - known <= heads | renamed


def test_gradient_is_that_of_the_authors_own_model(twin: Twin, features: Features):
    """What the canvas receives from a layer in the middle and from the class scores."""
    middle = twin.row.layers[len(twin.row.layers) // 2]
    gradients = []
    for maps_of, layer in (
        (lambda image: features(image, [middle, "logits"]), middle),
        (twin.maps, module_of(middle)),
    ):
        image = picture(0, 97, 122).requires_grad_()
        maps = maps_of(image)
        total = maps[layer].square().mean() + maps["logits"][0, 3]
        gradients.append(torch.autograd.grad(total, image)[0])
    ours, expected = gradients

    assert expected.norm() > 0
    # A maximum or a ReLU near its kink falls on the other side on some machines.
    assert (ours - expected).norm() < 1e-2 * expected.norm()


def test_weights_are_frozen(features: Features):
    """A layer is no function of anything but the picture."""
    with torch.enable_grad():
        maps = features(picture(0, 80, 80), [features.network.layers[3]])

    assert not any(layer.requires_grad for layer in maps.values())


def test_smallest_side_is_the_smallest(twin: Twin, features: Features):
    """At that side every stage has a position; at one pixel less the modules themselves refuse."""
    for layer in features._body._stages:
        side = twin.row.smallest_side(frozenset({layer}))
        with torch.no_grad():
            assert features(picture(0, side, side + 3), [layer])[layer].numel() > 0
            if side > 1:
                with pytest.raises(RuntimeError):
                    features._body(picture(0, side - 1, side - 1), [layer])


def test_nothing_is_computed_beyond_the_deepest_layer(features: Features):
    """The modules behind it see nothing; a part asks for no more than its own stage."""
    names, seen = list(features._body._stages), []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: seen.append(name))
        for name, module in features._body._stages.items()
    ]
    layer = next((layer for layer in features.network.layers if "." in layer), names[5])
    features(picture(0, 80, 80), [layer, names[2]])
    for hook in hooks:
        hook.remove()

    assert seen == names[: names.index(layer.partition(".")[0]) + 1]


def test_class_scores_are_fp32_whatever_the_maps_are(twin: Twin):
    """Half the bits are enough for maps, but a class is told from the next by less."""
    features = Features(twin.row, twin.model.state_dict(), dtype=torch.bfloat16)
    first = twin.row.layers[0]
    with torch.no_grad():
        maps = features(picture(0, 80, 80), [first, "logits"])

    assert (maps[first].dtype, maps["logits"].dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("dial", [{"pooling": "avg"}, {"border": "replicate"}])
def test_other_poolings_and_borders_are_refused(twin: Twin, dial):
    """They are dials of VGGs; the error says what to leave alone."""
    with pytest.raises(RecipeError, match=f"but {twin.row.name} has its own") as refused:
        Features(twin.row, {}, **dial)

    assert refused.value.code == "E-RECIPE-NETWORK"


def test_weights_of_another_network_are_refused(twins: dict[str, Twin]):
    """The error names a tensor that is not there."""
    with pytest.raises(WeightsError, match=r"these are not the network's weights: '.*' is missing"):
        Features(twins["googlenet"].row, twins["inception-v3"].model.state_dict())


def test_tensors_of_another_shape_are_refused(twins: dict[str, Twin]):
    """The error tells both shapes."""
    weights = twins["googlenet"].model.state_dict()
    weights["fc.weight"] = weights["fc.weight"][:10]

    with pytest.raises(WeightsError, match=r"'fc\.weight' is 10×1024 instead of 1000×1024"):
        Features(twins["googlenet"].row, weights)


def test_building_a_network_draws_no_random_numbers(twins: dict[str, Twin]):
    """What is painted next does not depend on which networks were loaded before."""
    before = torch.random.get_rng_state()
    for twin in twins.values():
        Features(twin.row, twin.model.state_dict())

    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.fixture(scope="module")
def dog() -> torch.Tensor:
    """The example photograph as classifiers are shown pictures: the middle, 224×224 px."""
    pixels = decode((PICTURES / "contents" / "german_shepherd.jpg").read_bytes()).pixels
    height, width = pixels.shape[-2:]
    scale = 256 / min(height, width)
    small = resize(pixels, (round(height * scale), round(width * scale)))
    top, left = (small.shape[-2] - 224) // 2, (small.shape[-1] - 224) // 2
    return small[..., top : top + 224, left : left + 224]


def test_a_dog_is_a_german_shepherd(loaded, dog: torch.Tensor):
    """The classifier that is always here knows what it sees in the example photograph."""
    row = network("efficientnet-lite0")
    with torch.no_grad():
        scores = loaded[row.name](dog, ["logits"])["logits"]
    probability, found = scores.softmax(1)[0].max(0)

    assert row.classes[found] == "German shepherd"
    assert found == row.class_index("German shepherd") == 235
    assert probability > 0.9


def test_half_the_bits_score_nearly_the_same(loaded, dog: torch.Tensor):
    """bfloat16 is right to three digits, class scores behind fifty layers to more than one."""
    row = network("efficientnet-lite0")
    half = Features(row, load_weights(row), dtype=torch.bfloat16)
    with torch.no_grad():
        scores, exact = (run(dog, ["logits"])["logits"] for run in (half, loaded[row.name]))

    assert (scores - exact).norm() < 0.06 * exact.norm()


def test_a_recipe_paints_with_the_classifier():
    """Content, style and a class through one network of stages, in the loop that paints all."""
    recipe = Recipe(
        network="efficientnet-lite0",
        terms=(
            Content(layer="block5", weight=0.1),
            Gram(layer="stem", weight=10.0),
            Unit(unit=network("efficientnet-lite0").class_index("ground beetle"), weight=0.1),
        ),
        octaves=Octaves(size=48, steps=(12,)),
        precision="fp32",
        log_every=1,
    )
    told = []
    painted = synthesize(
        recipe,
        Pictures(content=picture(0, 36, 48), styles=[style(1)]),
        studio=Studio(),
        on_step=lambda step: told.append(sum(step.losses.values())),
    )

    assert set(painted.losses) == {"content_block5", "gram_stem", "unit_logits"}
    assert painted.image.shape == (1, 3, 36, 48)
    assert told[-1] < told[0]
