"""Face networks in torch: EmoNet, ArcFace, and the embedded one."""
