"""A certificate for a server on this machine, made with the `openssl` command."""

import shutil
import ssl
import subprocess
from pathlib import Path

from ingest.replay.errors import ReplayError


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate that signs itself, valid for 30 days, for localhost.

    Returns:
        The certificate, which is also the CA file that clients are to trust, and
        its key; both in *folder*.

    Raises:
        ReplayError: no `openssl` command, or it failed.
    """
    command = shutil.which("openssl")
    if command is None:
        raise ReplayError("--tls needs the `openssl` command; install it, or pass --cert and --key")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    arguments = (
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *(
            "-days",
            "30",
            "-subj",
            "/CN=ingest replay",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"),
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
    )
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ReplayError(
            f"openssl failed, version 1.1.1 or newer is needed: {done.stderr.strip()}"
        )
    return certificate, key


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the TLS settings of a server with this certificate.

    Raises:
        ReplayError: the files cannot be read or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as exc:
        raise ReplayError(f"cannot use {certificate} with {key}: {exc}") from exc
    return context
