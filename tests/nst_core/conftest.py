from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from nst_core.networks import NETWORKS
from tests.nst_core.toy import TOY, toy_studio

if TYPE_CHECKING:
    from nst_core.studio import Studio


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Sums are taken in one order, so that a number is the same at every run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def toy_network(monkeypatch: pytest.MonkeyPatch):
    """The table of networks has a row for the toy."""
    monkeypatch.setitem(NETWORKS, "toy", TOY)


@pytest.fixture
def studio() -> Studio:
    """A studio that knows the toy network alone and remembers nothing yet."""
    return toy_studio()
