"""Recorded exchange traffic: formats of other programs and our own, read as records."""
