from __future__ import annotations

import random
import shutil

import pytest

from tasks.output import Output
from tasks.sealed import NewerRecordError
from tasks.verify import take_damaged_aside, verify
from tests.tasks.painted_pairs import painted

PAIRS = 6


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """Give an output of six pairs in which all is well; not to be changed."""
    root = tmp_path_factory.mktemp("pristine")
    for number in range(PAIRS):
        painted(number).publish(Output(root))
    return root


@pytest.fixture
def output(pristine, tmp_path):
    """Give an output of six pairs to damage."""
    return Output(shutil.copytree(pristine, tmp_path / "out"))


def record_of(output, number):
    """Return the record of pair ``number`` as it was published."""
    return output.record_of(painted(number).painting.pair_id)


def found(output):
    """Return the problems found: of which file, and of which pair's record."""
    return [(f.problem, f.file, f.record) for f in verify(output).findings]


def test_a_sound_output_has_no_findings(output):
    """All is read, nothing is found."""
    verification = verify(output)

    assert (verification.pairs, verification.files, verification.findings) == (6, 18, ())
    assert verification.damaged == ()


def test_looking_changes_nothing(output):
    """Verification writes no file, not even about damage."""
    (output.root / record_of(output, 1).file).write_bytes(b"{")
    before = {path: path.read_bytes() for path in output.root.rglob("*") if path.is_file()}

    verify(output)

    assert {p: p.read_bytes() for p in output.root.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("role", ["picture", "losses", "frames"])
def test_a_flipped_bit_is_found(output, role):
    """One bit of any file damages its pair and no other."""
    record = record_of(output, 2)
    path = output.root / record.files[role].file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)

    assert found(output) == [("changed", record.files[role].file, record.file)]


def test_a_missing_file_is_found(output):
    """A deleted picture is missing."""
    record = record_of(output, 2)
    (output.root / record.files["picture"].file).unlink()

    assert found(output) == [("missing", record.files["picture"].file, record.file)]


def test_swapped_pictures_are_found_and_named(output):
    """Each finding says whose bytes lie there."""
    names = [record_of(output, n).files["picture"].file for n in (0, 1)]
    swap(*(output.root / name for name in names))

    findings = verify(output).findings

    assert [(f.problem, f.file, f.message) for f in findings] == sorted(
        [
            ("swapped", names[0], f"holds the bytes of {names[1]}"),
            ("swapped", names[1], f"holds the bytes of {names[0]}"),
        ],
        key=lambda finding: finding[1],
    )


def test_swapped_records_are_found(output):
    """A record in another pair's place damages both pairs."""
    names = sorted(record_of(output, n).file for n in (0, 1))
    swap(*(output.root / name for name in names))

    assert found(output) == [("swapped", name, name) for name in names]


def test_an_edited_record_is_found(output):
    """A plausible edit of a single figure shows."""
    record = record_of(output, 3)
    path = output.root / record.file
    edited = path.read_bytes().replace(b'"steps": 2,\n "attempts"', b'"steps": 3,\n "attempts"')
    assert edited != path.read_bytes()
    path.write_bytes(edited)

    assert found(output) == [("edited", record.file, record.file)]


def test_a_torn_record_is_found(output):
    """An unreadable record damages its own pair, whose files are no strays."""
    record = record_of(output, 3)
    path = output.root / record.file
    path.write_bytes(path.read_bytes()[:200])

    assert found(output) == [("unreadable", record.file, record.file)]


def test_a_missing_record_is_found_through_the_ledger(output):
    """A pair that was finished and lost its record is named."""
    record = record_of(output, 4)
    (output.root / record.file).unlink()

    assert ("missing", record.file, record.file) in found(output)
    assert verify(output).damaged == (record.file,)


def test_a_stray_file_is_found_and_damages_nothing(output):
    """A file that nobody listed is named, but no pair suffers from it."""
    (output.root / "spring" / "notes.txt").write_bytes(b"buy milk")

    assert found(output) == [("stray", "spring/notes.txt", None)]
    assert verify(output).damaged == ()


def test_a_stray_copy_is_recognised(output):
    """A picture under a new name is told from any other stray."""
    picture = record_of(output, 0).files["picture"].file
    (output.root / picture).rename(output.root / "spring" / "best of.png")

    messages = {f.file: f.message for f in verify(output).findings}

    assert messages == {
        picture: "is not there",
        "spring/best of.png": f"holds the bytes of {picture}",
    }


def test_a_later_versions_record_is_not_called_damaged(output):
    """Verification stops with advice; a repair must not touch what it does not know."""
    path = output.root / record_of(output, 0).file
    path.write_bytes(path.read_bytes().replace(b'"schema_version": 1', b'"schema_version": 2'))

    with pytest.raises(NewerRecordError):
        verify(output)


def test_repair_unfinishes_exactly_the_damaged_pairs(output):
    """The damaged pair counts as unfinished, the others as finished; its old record is kept."""
    record = record_of(output, 2)
    (output.root / record.files["picture"].file).write_bytes(b"damaged")

    taken = take_damaged_aside(output, verify(output))

    assert taken == (record.file,)
    assert (output.root / f"{record.file}.conflict-1").exists()
    finished = {r.pair_id for r in Output(output.root).records()}
    assert finished == {painted(n).painting.pair_id for n in range(PAIRS)} - {record.pair_id}


def test_a_repaired_output_is_sound_again(output):
    """Painting the pair again mends it; the damaged file is kept as a stray."""
    record = record_of(output, 2)
    picture = record.files["picture"].file
    (output.root / picture).write_bytes(b"damaged")
    take_damaged_aside(output, verify(output))

    painted(2, seconds=5.0).publish(output)

    assert found(output) == [
        ("stray", f"{record.file}.conflict-1", None),
        ("stray", f"{picture}.conflict-1", None),
    ]


def swap(one, other):
    """Exchange two files."""
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def flip(output, pair, chance):
    """Flip one random bit of a random file."""
    path = chance.choice(pair)
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut(output, pair, chance):
    """Cut a random file at a random byte."""
    path = chance.choice(pair)
    path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])


def delete(output, pair, chance):
    """Delete a random file."""
    chance.choice(pair).unlink()


def append(output, pair, chance):
    """Append a byte to a random file."""
    with chance.choice(pair).open("ab") as file:
        file.write(b" ")


def exchange(output, pair, chance):
    """Swap two files of the pair."""
    swap(*chance.sample(pair, 2))


@pytest.mark.parametrize("seed", range(20))
def test_every_random_damage_is_found(output, seed):
    """Whatever is flipped, cut, deleted, appended to or swapped, exactly that pair is named."""
    chance = random.Random(seed)
    damage = [flip, cut, delete, append, exchange][seed % 5]
    record = record_of(output, chance.randrange(PAIRS))
    names = [record.file, *(entry.file for entry in record.files.values())]

    damage(output, [output.root / name for name in names], chance)

    assert verify(output).damaged == (record.file,)
