"""Craftax and Craftax-Classic: events, captions, observation encoders, fast steps."""
