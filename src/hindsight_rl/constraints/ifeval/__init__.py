"""The 25 constraints of IFEval."""
