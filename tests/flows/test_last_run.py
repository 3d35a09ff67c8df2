"""By which manifest an output was painted last."""

from __future__ import annotations

import pytest

from flows.last_run import LastRun


@pytest.mark.parametrize(
    ("painted_into", "repaired_in"), [("out", "moved"), ("s3://bucket/show", "s3://bucket/show")]
)
def test_a_folder_that_was_moved_is_repaired_where_it_lies(tmp_path, painted_into, repaired_in):
    """And pruned there; a bucket stays where it is, whatever folder here stands for it."""
    (tmp_path / "out").mkdir()
    output = painted_into if "://" in painted_into else str(tmp_path / painted_into)
    LastRun("/show.yaml", output, ()).remember(tmp_path / "out")
    moved = (tmp_path / "out").rename(tmp_path / "moved")

    found = LastRun.of(moved, remedy="")

    assert found.output.removeprefix(f"{tmp_path}/") == repaired_in
