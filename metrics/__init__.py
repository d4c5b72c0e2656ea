"""Metrics: pure functions with thin classes around them, each with a versioned id."""
