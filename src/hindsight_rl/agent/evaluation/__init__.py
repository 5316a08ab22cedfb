"""Evaluation: trials in held-out worlds, suites of instructions, coverage of relabeling."""
