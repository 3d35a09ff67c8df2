"""``python -m flows``: the `nst` command."""

from flows.cli import main

main()
