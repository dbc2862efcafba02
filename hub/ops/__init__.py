"""Management commands, supervision, health and metrics."""
