"""The constraints of MulDimIF, and the parser of their descriptions."""
