"""A bridge from SIEM alerts on MQTT to incidents in iTop."""

__version__ = "0.1.0"
