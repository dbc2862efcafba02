"""Tenants, environments, consumers, members, roles, API keys, limits and audit."""
