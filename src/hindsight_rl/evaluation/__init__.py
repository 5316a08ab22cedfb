"""Instruction-following benchmarks: prompts, responses, accuracies with intervals."""
