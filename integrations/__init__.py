"""What each outside system speaks: a folder a vendor, pure Python, no Django."""
