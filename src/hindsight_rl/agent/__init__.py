"""One instruction-conditioned agent, trained without environment reward (OIR)."""
