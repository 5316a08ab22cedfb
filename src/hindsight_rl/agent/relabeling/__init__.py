"""Relabelers say what a trajectory achieved (templates, an LLM); grounding verifies it."""
