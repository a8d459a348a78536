"""What is said: the definitions of events, the generated code, identifiers, the schema registry."""
