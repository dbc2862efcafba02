"""The hub: wiring at its root, one package for each capability."""
