"""`python -m ingest.replay`: the same as `ingest replay`."""

from ingest.replay.cli import replay

if __name__ == "__main__":
    replay(prog_name="ingest replay")
