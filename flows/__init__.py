"""When it happens: flows, schedules, and the `nst` command."""
