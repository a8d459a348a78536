"""Claims as scripts, each beside the peer that it is measured against. Each prints one JSON object as its last line."""
