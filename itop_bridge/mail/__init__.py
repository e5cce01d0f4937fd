"""Mail to people: what an incident system that is down cannot tell. Nothing of it is in the way of an incident."""
