"""What every room stands on: errors, digests, safe files, registries. Knows nothing of portraits."""
