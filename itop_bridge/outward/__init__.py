"""Outward: what the bridge publishes at the broker: whether iTop is reached, and what became of alerts."""
