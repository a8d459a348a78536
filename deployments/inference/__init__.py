"""Inference: takes rendered prompts, writes what the engine makes of them to the token log."""
