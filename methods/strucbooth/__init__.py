"""StrucBooth: case-specific LoRA tuning on pixel gradients of the driving face, for any diffusion generator."""
