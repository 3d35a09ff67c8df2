"""A night of a toy collection as a process of its own, to be killed.

Everything is the real thing but the painter, and there is no Prefect.
"""

import sys
from pathlib import Path

from flows import threads
from tests.flows.toy_collection import ToyCollection


def main(folder):
    """Go through a night of the collection in a folder; tell what became of its pairs."""
    collection = ToyCollection.found(folder)
    with collection.night(slots=2) as night:
        threads.paint(night)
        states = sorted(outcome.state for outcome in night.outcomes)
    sys.stdout.write(f"{' '.join(states)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
