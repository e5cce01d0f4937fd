"""Triage: from an event to intents. Decode, format, route, factory; nothing is asked of iTop here."""
