"""Relabelers propose what a trajectory achieved (templates or an LLM); grounding verifies it."""
