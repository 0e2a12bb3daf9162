"""A venue's REST interface, asked within the venue's limits."""

from ingest.rest.client import RestClient

__all__ = ["RestClient"]
