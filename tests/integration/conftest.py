from broker_process import certificates, mosquitto  # noqa: F401 - fixtures
