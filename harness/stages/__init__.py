"""The stages of a run: observe, generate, score."""
