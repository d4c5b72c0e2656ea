"""How pocket's networks and suites are made: portraits rendered from a 3D face model, and training."""
