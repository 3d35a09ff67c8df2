from __future__ import annotations

import safetensors.torch
import torch

from tasks.tensor_files import pieces


def test_pieces_are_a_file_of_the_format():
    """The library that defines it reads the same tensors back."""
    tensors = {
        "canvas": torch.rand(1, 3, 4, 5),
        "count": torch.tensor(3),
        "none": torch.empty(0, dtype=torch.float64),
        "half": torch.rand(3).bfloat16(),
        "flags": torch.tensor([True, False, True]),
        "turned": torch.rand(2, 3).T,
    }
    read = safetensors.torch.load(b"".join(pieces(tensors, {"note": "ä"})))

    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


def test_tensors_are_not_copied():
    """What is written is the tensor's own memory."""
    tensor = torch.zeros(4, dtype=torch.uint8)
    *_, view = pieces({"canvas": tensor}, {})
    tensor[2] = 7

    assert bytes(view) == bytes([0, 0, 7, 0])
