"""How long a test waits for something outside it. What takes this long hangs; a busy machine is never that slow."""

HUNG = 3600.0
"""Seconds."""
