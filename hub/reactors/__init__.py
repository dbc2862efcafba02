"""The kernel that folds facts: each reactor has a cursor for each shard, moved in the transaction that writes what was folded."""
