"""Who may come in: client certificates, certificates that a proxy passes on, Front Door's lock, allowed networks."""

import ssl
import subprocess
import urllib.parse

import pytest
from support.config import KEY
from support.gateway import CHAT, QUESTION
from support.wire import Wire

FRONT_DOOR = "11111111-2222-3333-4444-555555555555"


class Holder:
    """A client with a key and a certificate."""

    def __init__(self, folder, name, names, authority=None, days=30):
        self.key, self.cert = folder / f"{name}.key", folder / f"{name}.crt"
        request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage=clientAuth\n")
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key)
        run("openssl", "req", "-new", "-key", self.key, "-subj", f"/CN={name}", "-out", request)
        signer = ["-CA", authority.ca, "-CAkey", authority.ca_key, "-CAcreateserial"] if authority else [
            "-signkey", self.key]
        run("openssl", "x509", "-req", "-in", request, "-days", days, "-extfile", extensions, "-out", self.cert, *signer)

    @property
    def pem(self):
        return self.cert.read_text()

    @property
    def der_base64(self):
        return "".join(line for line in self.pem.splitlines() if "-----" not in line)

    @property
    def fingerprint(self):
        out = run("openssl", "x509", "-in", self.cert, "-noout", "-fingerprint", "-sha256")
        return "sha256:" + out.strip().rpartition("=")[2].replace(":", "").lower()


def run(*command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def holder(certs, tmp_path):
    return Holder(tmp_path, "shop", ["DNS:shop.internal", "URI:spiffe://contoso/shop"], certs)


def ask(g, certs, who=None, fields=(), target=CHAT):
    context = certs.client_context()
    if who is not None:
        context.load_cert_chain(str(who.cert), str(who.key))
    with Wire(g.port, context) as wire:
        return wire.ask("POST", target, list(dict(fields).items()), QUESTION)


def mutual(certs, match, **tls):
    return {"listeners": {"public": {"tls": {"client_ca": str(certs.ca), **tls}}},
            "clients": {"app": {"certificate": match}}}


@pytest.mark.parametrize("match", [{"names": ["dns:shop.internal"]}, {"names": ["uri:spiffe://contoso/shop"]}, "pin"])
def test_a_certificate_is_the_client(gateway, a, certs, holder, match):
    g = gateway([a], mutual(certs, {"fingerprints": [holder.fingerprint]} if match == "pin" else match))
    assert ask(g, certs, holder).status == 200
    # SDKs send a key whatever they are given; one that nobody knows does no harm.
    assert ask(g, certs, holder, {"api-key": "unused"}).status == 200
    assert ask(g, certs).status == 401
    assert g.wait_for_access_log(3)[0]["auth"] == "certificate"


def test_a_certificate_of_somebody_else_is_nobody(gateway, a, certs, tmp_path):
    g = gateway([a], mutual(certs, {"names": ["dns:shop.internal"]}))
    assert ask(g, certs, Holder(tmp_path, "other", ["DNS:other.internal"], certs)).status == 401
    # An authority that is not ours does not get through the handshake.
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(g, certs, Holder(tmp_path, "forged", ["DNS:shop.internal"]))
    assert not a.requests


def test_required_means_required(gateway, a, certs, holder):
    g = gateway([a], mutual(certs, {"names": ["dns:shop.internal"]}), start=False)
    g.config["listeners"]["public"]["tls"]["client_auth"] = "required"
    g.config["listeners"]["probe"] = {"address": f"127.0.0.1:{g.port + 1}"}
    g.tls.load_cert_chain(str(holder.cert), str(holder.key))
    g.start()
    assert ask(g, certs, holder).status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(g, certs)


def test_resumed_sessions_keep_their_certificate(gateway, a, certs, holder):
    g = gateway([a], mutual(certs, {"names": ["dns:shop.internal"]}))
    context = certs.client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.load_cert_chain(str(holder.cert), str(holder.key))
    session = None
    for _ in range(3):
        import socket
        with socket.create_connection(("127.0.0.1", g.port)) as raw, \
                context.wrap_socket(raw, server_hostname="localhost", session=session) as s:
            assert s.session_reused == (session is not None)
            session = s.session
            body = b'{"messages":[]}'
            s.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            assert s.recv(4096).startswith(b"HTTP/1.1 200")


# Certificates in headers


def forwarding(certs, header, match, trusted=("127.0.0.1",), ca=True):
    forwarded = {"header": header, **({"client_ca": str(certs.ca)} if ca else {})}
    return {"listeners": {"public": {"trusted_proxies": list(trusted), "forwarded_certificate": forwarded}},
            "clients": {"app": {"certificate": match}}}


def forms(holder):
    quoted = urllib.parse.quote(holder.pem)
    return {"envoy": f'Hash=00ff;Cert="{quoted}";Subject="CN=shop, O=x";URI=spiffe://contoso/shop', "pem": quoted,
            "der": holder.der_base64,
            "two": f'Cert="{urllib.parse.quote("nonsense")}",By=x;Cert="{quoted}"'}


@pytest.mark.parametrize("form", ["envoy", "pem", "der", "two"])
def test_a_trusted_proxy_passes_a_certificate_on(gateway, a, certs, holder, form):
    g = gateway([a], forwarding(certs, "X-Forwarded-Client-Cert", {"names": ["dns:shop.internal"]}))
    assert ask(g, certs, fields={"X-Forwarded-Client-Cert": forms(holder)[form]}).status == 200
    assert "x-forwarded-client-cert" not in {n for n, _ in a.requests[0].fields}


def test_forwarded_certificates_are_believed_from_trusted_proxies_alone(gateway, a, certs, holder):
    g = gateway([a], forwarding(certs, "X-Client-Cert", {"fingerprints": [holder.fingerprint]}, ("10.9.9.9",)))
    assert ask(g, certs, fields={"X-Client-Cert": holder.der_base64}).status == 401
    assert not a.requests


def test_a_name_needs_an_authority_a_fingerprint_does_not(gateway, a, certs, tmp_path, holder):
    forged = Holder(tmp_path, "forged", ["DNS:shop.internal"])
    g = gateway([a], forwarding(certs, "X-Client-Cert", {"names": ["dns:shop.internal"]}))
    assert ask(g, certs, fields={"X-Client-Cert": forged.der_base64}).status == 401
    g.reload({"clients": {"app": {"certificate": {"names": None, "fingerprints": [forged.fingerprint]}}}})
    assert ask(g, certs, fields={"X-Client-Cert": forged.der_base64}).status == 200


@pytest.mark.parametrize("value", ["", "x", "%", "%zz", "Cert=", 'Cert="', "Hash=00", "MIIB", "%00", "A" * 9000])
def test_what_is_no_certificate_is_nobody(gateway, a, certs, holder, value):
    g = gateway([a], forwarding(certs, "X-Client-Cert", {"fingerprints": [holder.fingerprint]}))
    assert ask(g, certs, fields={"X-Client-Cert": value}).status == 401
    assert not a.requests


# Front Door and networks


def test_only_our_front_door_gets_in_and_probes(gateway, a):
    g = gateway([a], {"listeners": {"public": {"front_door": {"ids": [FRONT_DOOR, "0" * 8]}}}})
    assert g.chat(fields={"X-Azure-FDID": FRONT_DOOR}).status == 200
    assert g.chat(fields={"X-Azure-FDID": FRONT_DOOR.upper()}).status == 200
    for wrong in ({}, {"X-Azure-FDID": "6" + FRONT_DOOR[1:]}, {"X-Azure-FDID": ""},
                  [("X-Azure-FDID", FRONT_DOOR), ("X-Azure-FDID", "x")]):
        refused = g.chat(fields=wrong)
        assert refused.status == 403 and refused.json()["error"]["code"] == "FrontDoorRequired"
    for method in ("GET", "HEAD"):
        assert g.ask(method, "/health/ready", key=None).status == 200
        assert g.ask(method, "/health/live", key=None).status == 200
    assert len(a.requests) == 2
    assert not {"x-azure-fdid"} & {n.lower() for r in a.requests for n, _ in r.fields}


def test_the_id_counts_from_the_front_alone(gateway, a):
    g = gateway([a], {"listeners": {"public": {"front_door": {"ids": [FRONT_DOOR]}, "trusted_proxies": ["10.0.0.0/8"]}}})
    assert g.chat(fields={"X-Azure-FDID": FRONT_DOOR}).status == 403
    assert not a.requests


def test_behind_front_door_the_client_is_who_it_says(gateway, a):
    over = {"listeners": {"public": {"front_door": {"ids": [FRONT_DOOR]}, "trusted_proxies": ["127.0.0.1"]}}}
    g = gateway([a], over)
    assert g.chat(fields={"X-Azure-FDID": FRONT_DOOR, "X-Azure-ClientIP": "203.0.113.9",
                          "X-Forwarded-For": "198.51.100.1, 203.0.113.9"}).status == 200
    assert g.wait_for_access_log(1)[0]["peer"] == "203.0.113.9"


def test_networks_that_are_not_allowed_stay_outside(gateway, a):
    g = gateway([a], {"listeners": {"public": {"allow": ["10.0.0.0/8"]}}})
    refused = g.chat()
    assert refused.status == 403 and refused.json()["error"]["code"] == "AddressNotAllowed"
    assert g.ask("GET", "/health/ready", key=None).status == 200
    assert not a.requests
    g.reload({"listeners": {"public": {"allow": ["10.0.0.0/8", "127.0.0.1"]}}})
    assert g.chat().status == 200


# Secrets


def test_memory_is_closed_to_other_processes_and_to_core_files(gateway, a):
    from pathlib import Path

    from support.gateway import SANITIZED
    g = gateway([a])
    if not SANITIZED:
        limits = Path(f"/proc/{g.process.pid}/limits").read_text()
        assert [line.split()[4:6] for line in limits.splitlines() if "core file" in line] == [["0", "0"]]
    assert KEY not in Path(f"/proc/{g.process.pid}/cmdline").read_text()
