"""The guarded HTTP/1.1 sender of the hot path: never follows a redirect, never calls a refused address."""
