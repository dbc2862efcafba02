"""A module for each kind of row; `bench.registry` lists them all."""
