"""Prompting: renders requests into what an engine takes."""
