"""Face backends, one file each."""
