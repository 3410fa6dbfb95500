"""A certificate authority of the tests' own, and server certificates made with the openssl command."""

import ssl
import subprocess
from pathlib import Path


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Certificates:
    """`ca` is the PEM file to trust; `make` signs a certificate for some names."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.ca, self.ca_key = folder / "ca.crt", folder / "ca.key"
        self._new_key(self.ca_key)
        openssl("req", "-x509", "-new", "-key", self.ca_key, "-days", 30, "-subj", "/CN=Spillway tests",
                "-out", self.ca)
        self.gateway = self.make("gateway", ["localhost", "gateway.test"], ["127.0.0.1"])
        self.azure = self.make("azure", ["*.openai.test", "localhost"], ["127.0.0.1"])

    @staticmethod
    def _new_key(path):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)

    def make(self, name, hosts, addresses=()):
        """Returns (certificate, key)."""
        key, request, certificate = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
        extensions = self.folder / f"{name}.ext"
        names = [f"DNS:{h}" for h in hosts] + [f"IP:{a}" for a in addresses]
        extensions.write_text(f"subjectAltName={','.join(names)}\n")
        self._new_key(key)
        openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-days", 30,
                "-extfile", extensions, "-out", certificate)
        return certificate, key

    def client_context(self, **limits):
        context = ssl.create_default_context(cafile=str(self.ca))
        for name, value in limits.items():
            setattr(context, name, value)
        return context

    @staticmethod
    def server_context(pair):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, pair))
        return context
