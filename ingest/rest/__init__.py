"""A venue's REST interface, asked within the venue's limits."""

from ingest.rest.client import Requester, RestClient

__all__ = ["Requester", "RestClient"]
