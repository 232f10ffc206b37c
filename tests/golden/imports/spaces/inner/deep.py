"""A module in folders without `__init__`."""
depth = 2
