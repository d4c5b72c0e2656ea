"""Manifests of cases and the media they name. Knows nothing of methods, faces or metrics."""
