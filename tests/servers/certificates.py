"""Certificates for tests, made by the `openssl` program."""

import shutil
import subprocess
from pathlib import Path

import pytest


def self_signed(
    folder: Path, name: str = "server", *, hosts: str = "IP:127.0.0.1,DNS:localhost"
) -> Path:
    """Write key and certificate for *hosts*, this machine if not told, into one file."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl program to make certificates with")
    target = folder / f"{name}.pem"
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    command = [
        *(program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", key, "-out", certificate),
        *("-addext", f"subjectAltName={hosts}"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    target.write_bytes(key.read_bytes() + certificate.read_bytes())
    return target
