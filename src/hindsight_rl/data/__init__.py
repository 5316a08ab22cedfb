"""Training rows: one reader for all public row schemas; tools that compose, relabel and show rows."""
