"""One delivery: gate, send, decide, record."""
