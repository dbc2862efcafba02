"""The failure drill: a hub of its own under load, broken in every way that is known, and every accepted event accounted for."""
