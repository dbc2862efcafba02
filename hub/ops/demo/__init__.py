"""`make demo`: the hub tells its own story against endpoints that are well, unwell, slow and short of breath."""
