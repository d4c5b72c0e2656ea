"""Measurements of speed and memory: interleaved timing, peak memory, decoding, tuning steps."""
