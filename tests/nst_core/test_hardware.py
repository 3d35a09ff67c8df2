from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from nst_core.hardware import keep_freed_memory, one_thread

BLOCK = 1 << 28


def resident() -> int:
    """Return the bytes that this process holds."""
    told = Path("/proc/self/status").read_text()
    return int(told.partition("VmRSS:")[2].split()[0]) * 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
@pytest.mark.parametrize("keep", [True, False])
def test_freed_memory_stays_where_it_is_to_be_kept(keep):
    """It need not be cleared again for whoever asks next, or it is another's."""
    keep_freed_memory(keep=False)  # what tests before this one freed, the block could lie in
    keep_freed_memory(keep=keep)
    before = resident()
    block = torch.ones(BLOCK // 4)
    del block
    after = resident()
    keep_freed_memory(keep=False)
    let_go = resident()

    assert (after - before > BLOCK / 2) is keep
    assert let_go - before < BLOCK / 2


def test_threads_come_back():
    """Also after what failed with one of them."""
    torch.set_num_threads(2)

    with pytest.raises(torch.linalg.LinAlgError), one_thread():
        torch.linalg.cholesky(-torch.eye(2))

    assert torch.get_num_threads() == 2


def test_small_pieces_have_one_thread():
    """However many the rest has."""
    torch.set_num_threads(2)

    with one_thread():
        assert torch.get_num_threads() == 1
