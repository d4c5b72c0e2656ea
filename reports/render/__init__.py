"""The report model as text: every renderer prints numbers as :mod:`.numbers` does, and computes none."""
