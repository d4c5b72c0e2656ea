"""Face backends, one file each; their libraries are imported when one is made."""
