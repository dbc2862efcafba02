"""An environment's configuration as one document: exported, compared, and applied."""
