"""The door: HTTP and WebSocket in OpenAI's shapes and our own, and the same by handle."""
