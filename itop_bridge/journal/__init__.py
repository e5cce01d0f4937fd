"""The journal: what was received, what is owed to iTop, what was done. SQLite; every query of the bridge is here."""
