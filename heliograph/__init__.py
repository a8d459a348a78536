"""How you talk to it: the command line and the Python SDK."""
