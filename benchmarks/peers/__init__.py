"""Serve applications that the platform is measured against; they run in its cluster, behind its ingress."""
