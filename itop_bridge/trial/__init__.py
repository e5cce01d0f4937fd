"""A configuration, tried before it is used: with recorded alerts, offline, and against broker and iTop."""
