"""Who wants which events, where to, with which secret."""
