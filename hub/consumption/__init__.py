"""Events for those who fetch them: named positions in the log, kept here, with leases and acknowledgements."""
