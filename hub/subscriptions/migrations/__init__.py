"""The tables of subscriptions, step by step."""
