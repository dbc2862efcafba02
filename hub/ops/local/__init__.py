"""The hub on one machine: embedded servers, the processes of the Procfile, and their supervisor."""
