"""The gate: a run against a committed baseline, by rules; what continuous integration asks."""
