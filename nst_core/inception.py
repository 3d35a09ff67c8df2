"""GoogLeNet and Inception v3: their stages, and torchvision's modules that compute them.

Layers are called as torchvision's modules are, which for Inception v3 are the names of the first
TensorFlow release: ``inception4c``, ``Mixed_6b``. A branch inside a stage follows after a point,
its position in a sequence in brackets: ``inception3b.branch3[0]`` is Caffe's
``inception_3b/5x5_reduce``, ``Mixed_6b.branch7x7_2`` the second convolution of that branch. All
of them are maps behind their rectifier, as in Caffe, where it works in place.
"""

from __future__ import annotations

from nst_core.architectures import Built, Stage, Staged

_CLASSES = 1000


def _build_googlenet() -> Built:
    from torchvision.models import googlenet

    model = googlenet(weights=None, aux_logits=False, init_weights=False)
    stages = {stage.name: getattr(model, stage.name) for stage in GOOGLENET.stages}
    return Built(model, stages, model.fc, unused=("aux1.", "aux2."))


def _build_inception_v3() -> Built:
    from torchvision.models import inception_v3

    model = inception_v3(weights=None, aux_logits=False, init_weights=False)
    stages = {stage.name: getattr(model, stage.name) for stage in INCEPTION_V3.stages}
    return Built(model, stages, model.fc, unused=("AuxLogits.",))


def _v1(name: str, *channels: int) -> Stage:
    """Return a module of GoogLeNet.

    Args:
        name: As torchvision calls it.
        channels: A row of the paper's table: #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool proj.
    """
    one, reduce3, three, reduce5, five, pooled = channels
    return Stage(
        name=name,
        channels=one + three + five + pooled,
        parts=(
            ("branch1", one),
            ("branch2[0]", reduce3),
            ("branch2[1]", three),
            ("branch3[0]", reduce5),
            ("branch3[1]", five),
            ("branch4[1]", pooled),
        ),
    )


def _halving(name: str, channels: int, window: int = 3) -> Stage:
    return Stage(name=name, channels=channels, window=window, stride=2, ceil=True)


GOOGLENET = Staged(
    stages=(
        Stage(name="conv1", channels=64, window=7, stride=2, padding=6),
        _halving("maxpool1", 64),
        Stage(name="conv2", channels=64),
        Stage(name="conv3", channels=192, window=3, padding=2),
        _halving("maxpool2", 192),
        _v1("inception3a", 64, 96, 128, 16, 32, 32),
        _v1("inception3b", 128, 128, 192, 32, 96, 64),
        _halving("maxpool3", 480),
        _v1("inception4a", 192, 96, 208, 16, 48, 64),
        _v1("inception4b", 160, 112, 224, 24, 64, 64),
        _v1("inception4c", 128, 128, 256, 24, 64, 64),
        _v1("inception4d", 112, 144, 288, 32, 64, 64),
        _v1("inception4e", 256, 160, 320, 32, 128, 128),
        _halving("maxpool4", 832, window=2),
        _v1("inception5a", 256, 160, 320, 32, 128, 128),
        _v1("inception5b", 384, 192, 384, 48, 128, 128),
    ),
    classes=_CLASSES,
    build=_build_googlenet,
)
"""Szegedy et al. 2015, table 1; with a rectified, batch-normalised 3×3 in place of every 5×5."""


def _a(name: str, pooled: int) -> Stage:
    return Stage(
        name=name,
        channels=64 + 64 + 96 + pooled,
        parts=(
            ("branch1x1", 64),
            *(("branch5x5_1", 48), ("branch5x5_2", 64)),
            *(("branch3x3dbl_1", 64), ("branch3x3dbl_2", 96), ("branch3x3dbl_3", 96)),
            ("branch_pool", pooled),
        ),
    )


def _c(name: str, narrow: int) -> Stage:
    return Stage(
        name=name,
        channels=4 * 192,
        parts=(
            ("branch1x1", 192),
            *(("branch7x7_1", narrow), ("branch7x7_2", narrow), ("branch7x7_3", 192)),
            *((f"branch7x7dbl_{index}", narrow) for index in range(1, 5)),
            ("branch7x7dbl_5", 192),
            ("branch_pool", 192),
        ),
    )


def _e(name: str) -> Stage:
    return Stage(
        name=name,
        channels=320 + 2 * 384 + 2 * 384 + 192,
        parts=(
            ("branch1x1", 320),
            *(("branch3x3_1", 384), ("branch3x3_2a", 384), ("branch3x3_2b", 384)),
            *(("branch3x3dbl_1", 448), ("branch3x3dbl_2", 384)),
            *(("branch3x3dbl_3a", 384), ("branch3x3dbl_3b", 384)),
            ("branch_pool", 192),
        ),
    )


INCEPTION_V3 = Staged(
    stages=(
        Stage(name="Conv2d_1a_3x3", channels=32, window=3, stride=2),
        Stage(name="Conv2d_2a_3x3", channels=32, window=3),
        Stage(name="Conv2d_2b_3x3", channels=64, window=3, padding=2),
        Stage(name="maxpool1", channels=64, window=3, stride=2),
        Stage(name="Conv2d_3b_1x1", channels=80),
        Stage(name="Conv2d_4a_3x3", channels=192, window=3),
        Stage(name="maxpool2", channels=192, window=3, stride=2),
        _a("Mixed_5b", 32),
        _a("Mixed_5c", 64),
        _a("Mixed_5d", 64),
        Stage(
            name="Mixed_6a",
            channels=384 + 96 + 288,
            window=3,
            stride=2,
            parts=(
                ("branch3x3", 384),
                *(("branch3x3dbl_1", 64), ("branch3x3dbl_2", 96), ("branch3x3dbl_3", 96)),
            ),
        ),
        _c("Mixed_6b", 128),
        _c("Mixed_6c", 160),
        _c("Mixed_6d", 160),
        _c("Mixed_6e", 192),
        Stage(
            name="Mixed_7a",
            channels=320 + 192 + 768,
            window=3,
            stride=2,
            parts=(
                *(("branch3x3_1", 192), ("branch3x3_2", 320)),
                *((f"branch7x7x3_{index}", 192) for index in range(1, 5)),
            ),
        ),
        _e("Mixed_7b"),
        _e("Mixed_7c"),
    ),
    classes=_CLASSES,
    build=_build_inception_v3,
)
"""Szegedy et al. 2016, table 1 and figures 5 to 7, as torchvision counts them."""
