"""The machinery: configuration, plan, runner, store. Knows contracts, never a concrete method, metric or face model."""
