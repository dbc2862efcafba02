"""Taking events in, fast: the bare ASGI application."""
