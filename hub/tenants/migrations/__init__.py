"""The tables of tenants, step by step."""
