"""Instruction following with verifiable constraints, as a taskset of verifiers. See README.md."""

from hindsight_if.taskset import InstructionTaskset

__all__ = ["InstructionTaskset"]
