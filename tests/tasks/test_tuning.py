"""No card is needed to tune one: what it has and how fast it is are said by the test."""

from __future__ import annotations

import json

import pytest

from nst_core.errors import NSTError
from tasks.jobs import SlotStalled, SlotUnusable
from tasks.settings import Settings
from tasks.tuning import Trial, slots_of, tune

GIB = 1 << 30


def cards(count, memory=80 * GIB):
    """Return what a machine with so many cards tells."""
    return lambda: {"cuda": count, "mps": 0, "bytes": memory}


def tuned(settings, **options):
    """Tune a machine that has memory enough."""
    return tune(settings, available=1000 * GIB, **options)


def by_slots(**rates):
    """Measure so many pictures per hour for each number of slots, ``s2=70.0``."""
    tried = []

    def measure(specs):
        tried.append(len(specs))
        return rates[f"s{len(specs)}"]

    measure.tried = tried
    return measure


@pytest.fixture
def settings(tmp_path):
    """Settings of a machine that remembers in a folder of its own."""

    def make(**options):
        return Settings(scratch=tmp_path, **options)

    return make


def test_on_a_cpu_slots_and_threads_share_the_cores(settings):
    """Every arrangement keeps all cores busy; the fastest is remembered and used."""
    measure = by_slots(s1=10.0, s2=14.0, s4=20.0)

    trials, best = tuned(settings(device="cpu"), measure=measure, cores=4)

    assert [(one.slots, one.threads) for one in trials] == [(1, 4), (2, 2), (4, 1)]
    assert best == Trial(4, 1, 20.0)
    specs = slots_of(settings(device="cpu"), cores=4)
    assert [(spec.name, spec.threads) for spec in specs] == [(f"cpu-{lap}", 1) for lap in range(4)]


def test_more_slots_must_pay(settings):
    """For one part in a hundred nobody waits longer for each picture and gives the memory."""
    _, best = tuned(settings(device="cpu"), measure=by_slots(s1=10.0, s2=14.0, s4=14.1), cores=4)

    assert best.slots == 2
    assert [spec.threads for spec in slots_of(settings(device="cpu"), cores=4)] == [2, 2]


def test_cards_get_slots_until_another_gains_nothing(settings):
    """All cards are tried with the same number."""
    measure = by_slots(s2=100.0, s4=150.0, s6=152.0)

    _, best = tuned(settings(device="cuda"), measure=measure, cards=cards(2), cores=16)

    assert measure.tried == [2, 4, 6]
    assert best.slots == 4
    specs = slots_of(settings(device="cuda"), cards=cards(2), cores=16)
    assert [(spec.device, spec.sharers) for spec in specs] == [("cuda:0", 2), ("cuda:1", 2)] * 2


def test_a_card_gets_no_more_slots_than_its_memory_holds(settings):
    """The forecast for a picture of a usual size decides, before anything is tried."""
    measure = by_slots(s1=10.0, s2=20.0, s3=30.0)

    tuned(settings(device="cuda"), measure=measure, cards=cards(1, memory=12 * GIB), cores=8)

    assert 1 in measure.tried
    assert 6 not in measure.tried


def test_a_card_that_holds_one_picture_has_one_slot(settings):
    """Nothing is tried that cannot be."""
    measure = by_slots(s1=10.0)

    _, best = tuned(settings(device="cuda"), measure=measure, cards=cards(1, 2 * GIB), cores=8)

    assert best.slots == 1


def test_main_memory_is_forecast_too(settings):
    """Slots in which a picture of a usual size would go through in tiles are not tried."""
    measure = by_slots(s1=10.0, s2=20.0)

    _, best = tune(settings(device="cpu"), measure=measure, cores=4, available=9 * GIB)

    assert measure.tried == [1, 2]
    assert best.slots == 2


def test_what_a_person_says_goes_before_what_was_measured(settings):
    """NST_SLOTS, or NST_TORCH_THREADS."""
    tuned(settings(device="cpu"), measure=by_slots(s1=30.0, s2=20.0, s4=10.0), cores=4)

    assert len(slots_of(settings(device="cpu"), cores=4)) == 1
    assert len(slots_of(settings(device="cpu", slots=3), cores=4)) == 3
    assert len(slots_of(settings(device="cpu", torch_threads=2), cores=4)) == 2


def test_another_machine_is_not_tuned_by_this_one(settings):
    """The same folder on more cores, or with a card."""
    tuned(settings(device="cpu"), measure=by_slots(s1=30.0, s2=20.0, s4=10.0), cores=4)

    assert len(slots_of(settings(device="cpu"), cores=6)) == 6
    assert len(slots_of(settings(device="cuda"), cards=cards(2), cores=4)) == 2


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "0.0.1"}'])
def test_a_memory_that_says_nothing_is_none(settings, tmp_path, text):
    """Of another version, torn, or edited: the usual slots paint."""
    tuned(settings(device="cpu"), measure=by_slots(s1=30.0, s2=20.0, s4=10.0), cores=4)
    [remembered] = (tmp_path / "tuned").iterdir()
    if text.startswith('{"version'):
        text = json.dumps(json.loads(remembered.read_text()) | json.loads(text))
    remembered.write_text(text)

    assert len(slots_of(settings(device="cpu"), cores=4)) == 4


@pytest.mark.slow
def test_a_real_machine_is_tuned_by_painting(settings):
    """One core, so that there is one arrangement to try."""
    trials, best = tune(settings(device="cpu"), cores=1)

    assert trials == [best]
    assert best.pictures_per_hour > 0


def test_an_arrangement_that_cannot_be_measured_is_passed_over(settings, caplog):
    """Four threads on a machine that is busy with other work may take for ever."""

    def measure(specs):
        if len(specs) == 1:
            raise SlotStalled("no sign of life")
        return 10.0 * len(specs)

    trials, best = tuned(settings(device="cpu"), measure=measure, cores=2)

    assert trials[0].pictures_per_hour == 0
    assert best.slots == 2
    assert "1 slots of 2 threads: no sign of life" in caplog.text


def test_a_machine_on_which_nothing_can_be_measured_is_not_tuned(settings):
    """And it says so."""

    def measure(specs):
        raise SlotStalled("no sign of life")

    with pytest.raises(SlotUnusable, match="no arrangement"):
        tuned(settings(device="cpu"), measure=measure, cores=1)


def test_a_device_that_is_not_there_is_not_tuned(settings):
    """As everywhere."""
    with pytest.raises(NSTError, match="cuda:3"):
        tuned(settings(device="cuda:3"), cards=cards(1), measure=by_slots())
