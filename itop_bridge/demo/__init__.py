"""The demo: a broker, a stand-in for iTop and the daemon in one process; alerts in, incidents out, and the proof."""
