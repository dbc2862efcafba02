"""Pure ground that every package may stand on; it never imports Django or another package of the hub."""
