"""The command ``bench``: one file per group of verbs."""
