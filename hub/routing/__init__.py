"""Events become deliveries: the owner's loop, the router and commands."""
