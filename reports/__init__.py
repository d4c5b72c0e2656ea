"""What a person reads: records as one tidy frame, tables, pictures."""
