"""Pocket, the embedded generator: a small latent diffusion on portraits rendered from a public 3D face model."""
