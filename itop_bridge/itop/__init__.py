"""A library for iTop's REST/JSON API. It knows nothing of cases."""
