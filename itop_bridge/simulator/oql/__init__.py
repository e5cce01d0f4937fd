"""iTop's query language, as far as clients of an incident bridge use it."""
