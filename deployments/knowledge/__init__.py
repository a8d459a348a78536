"""What clients have brought along: their files."""
