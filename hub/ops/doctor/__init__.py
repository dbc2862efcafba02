"""What an installation needs, checked one thing at a time. It only looks and never mends."""
