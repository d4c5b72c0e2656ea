"""HunyuanPortrait: Stable Video Diffusion driven by appearance and motion tokens."""
