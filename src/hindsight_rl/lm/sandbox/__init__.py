"""A tiny language model, trained from scratch, on which methods can be compared in minutes."""
