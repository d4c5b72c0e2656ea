"""HelloMeme v3 with the Realistic Vision base, rebuilt on stock diffusers models."""
