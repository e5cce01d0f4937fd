"""The configuration: models, loading, secrets; every error at once, with file, line and column."""
