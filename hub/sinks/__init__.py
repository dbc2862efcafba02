"""Built-in test endpoints: a sink keeps what it was sent for a while and answers as it was told. It never calls out."""
