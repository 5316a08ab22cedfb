"""Training rows: one reader for every public row schema, and instructions composed from prompts and constraints."""
