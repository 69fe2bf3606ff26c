"""Where aggregates are kept: one small vocabulary, MongoDB in production, SQLite as the embedded default."""
