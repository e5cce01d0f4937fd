"""A stand-in for iTop 3.2: it answers like the real REST/JSON API, with faults and acts of people on demand."""
