"""Replay: sending again, in bulk and with a plan, what was delivered, died or never went to a subscription."""
