"""What ``bringup pki issue`` has made: its files, and a file for a browser."""

from collections.abc import Mapping
from typing import Any

import click
from cryptography import x509

from bringup.files import write_atomically
from bringup.settings.generated import new_secret
from pki import csr, names
from pki.issue import browser_file
from pki.store import Store


def issued(
    store: Store,
    identity: names.Identity,
    certificate: x509.Certificate,
    request: x509.CertificateSigningRequest | None,
) -> dict[str, Any]:
    """What a program needs of a certificate that was issued now.

    Args:
        store: the PKI directory.
        identity: of the certificate.
        certificate: itself.
        request: what it was made for; None: its key was made here.
    """
    files = store.files(identity)
    return {
        "identity": identity.dns,
        "valid_until": f"{certificate.not_valid_after_utc:%Y-%m-%d}",
        "certificate": files.certificate,
        "chain": files.bundle,
        "key": files.key if request is None else None,
        "ignored": list(csr.ignored(request)) if request else [],
    }


def show_issued(made: Mapping[str, Any]) -> None:
    """The same for people."""
    click.echo(f"{made['identity']}: valid until {made['valid_until']}")
    click.echo(f"  certificate {made['certificate']}")
    click.echo(f"  chain       {made['chain']}")
    click.echo(f"  key         {made['key'] or 'is where the request was made'}")
    for wish in made["ignored"]:
        click.echo(f"Note: the request asked for {wish}; a request decides nothing but its key.")
    if "browser_file" in made:
        path, password = made["browser_file"], made["password"]
        click.echo(
            f"  for the browser {path}: import it there, then delete it; its password, shown this once: {password}"
        )


def write_browser_file(store: Store, identity: names.Identity) -> dict[str, Any]:
    """The certificate that the person has now, with its key, under a password that is shown once."""
    password = new_secret()
    path = store.files(identity).certificate.with_name(f"{identity.name}.p12")
    write_atomically(path, browser_file(store, identity, password))
    return {"browser_file": path, "password": password}
