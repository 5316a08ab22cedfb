"""The semantic reward: which events fulfil an instruction, by sentence embeddings, calibrated."""
