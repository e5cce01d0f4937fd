"""What the daemon tells over HTTP, on loopback."""
