"""Training: settings, methods, presets, the loop, checkpoints, devices."""
