"""Intake: MQTT messages into the journal, acknowledged once they are on the disk. Nothing is parsed here."""
