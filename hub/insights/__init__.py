"""What the log tells: searching it, how long things took, what became of a subject."""
