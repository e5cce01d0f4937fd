"""Metrics: what is counted and timed, by the names that Prometheus knows."""
