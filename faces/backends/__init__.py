"""Face backends, one file each: adapters from a library or a network to the contracts of :mod:`..base`."""
