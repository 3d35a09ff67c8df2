from __future__ import annotations

from tasks.staging import staging_folder


def test_a_target_has_one_folder(tmp_path):
    """The next night continues in the folder of the last, however the address is written."""
    assert staging_folder("s3://my-bucket/spring/", tmp_path) == staging_folder(
        "s3://my-bucket/spring", tmp_path
    )


def test_targets_do_not_share_a_folder(tmp_path):
    """Targets that look alike in a file name are still told apart."""
    targets = ["s3://bucket/a-b", "s3://bucket/a/b", "s3://bucket/A-b", "s3://bucket-a/b"]

    assert len({staging_folder(target, tmp_path) for target in targets}) == 4


def test_a_folder_has_a_name_for_people(tmp_path):
    """Who looks into the scratch folder finds what goes where."""
    folder = staging_folder("s3://my-bucket/shows/Spring 2025", tmp_path)

    assert folder.name.startswith("my-bucket-shows-spring-2025-")
    assert folder.parent == tmp_path / "outputs"
