import errno
import pickle

import pytest
import torch

from nst_core.errors import DivergedError, WeightsError
from tasks.jobs import JobError, SlotDied, StopFlag, explain


def raised(error):
    """Return an error that has been raised, with its traceback."""
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DivergedError("loss became NaN"), "diverged"),
        (WeightsError("vgg19 is damaged"), "environment"),
        (torch.OutOfMemoryError("Tried to allocate 20.00 GiB"), "resource"),
        (MemoryError(), "resource"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "resource"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"), "resource"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "resource"),
        (RuntimeError("CUDA error: out of memory"), "resource"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "resource"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "crash"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "crash"),
        (RuntimeError("Found no NVIDIA driver on your system."), "environment"),
        (RuntimeError("No CUDA GPUs are available"), "environment"),
        (OSError(errno.ENOSPC, "No space left on device"), "environment"),
        (OSError(errno.EIO, "Input/output error"), "io"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "bug"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "bug"),
        (ZeroDivisionError("division by zero"), "bug"),
    ],
    ids=repr,
)
def test_every_error_of_a_job_has_a_kind(error, kind):
    """The kind, from which all else follows, is the error's own or what its text amounts to."""
    assert explain(error).kind == kind


def test_torchs_own_allocation_failure_is_recognised():
    """What torch says on this machine is what the rule looks for."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50)

    assert explain(caught.value).kind == "resource"


def test_an_explained_error_names_its_type():
    """A foreign error's message begins with its class, whose text alone may say nothing."""
    assert explain(KeyError("relu4_5")).message == "KeyError: 'relu4_5'"


def test_an_explained_error_holds_its_traceback():
    """The traceback goes with it as text."""
    error = raised(ValueError("odd"))

    assert "raise error" in explain(error).details


def test_a_job_error_travels():
    """Pickling keeps every attribute."""
    error = JobError("m", kind="diverged", code="E-X", remedy="r", details="d")
    error.progress = {"step": 3}

    copy = pickle.loads(pickle.dumps(error))

    assert (copy.kind, copy.code, copy.remedy, copy.details) == ("diverged", "E-X", "r", "d")
    assert (str(copy), copy.progress) == (str(error), {"step": 3})


def test_a_death_travels():
    """The errors of the parent's side can be handed on, too."""
    copy = pickle.loads(pickle.dumps(SlotDied("m", progress={"step": 3}, details="d")))

    assert (copy.kind, copy.progress, copy.details) == ("crash", {"step": 3}, "d")


def test_a_flag_is_set_once_and_for_all():
    """A flag starts lowered and stays raised."""
    flag = StopFlag()
    before = flag.is_set()
    flag.set()

    assert (before, flag.is_set()) == (False, True)
