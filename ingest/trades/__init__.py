"""Trades whose ids are consecutive: what is missing, what comes twice. Pure."""
