"""A small text environment for agents that act in turns: houses with rooms, goals with verifiers. No model library."""
