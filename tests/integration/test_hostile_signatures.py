"""Tokens that a believed provider signed as it should, and that are none: only what is wrong with them can refuse
them. And signatures that are nearly right."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from support.config import KEY
from support.gateway import QUESTION, STREAM
from support.hostile import APP, CHAT, TENANT, House, b64, decoded, parts

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture(scope="module")
def house(certs, tmp_path_factory):
    h = House(certs, tmp_path_factory.mktemp("hostile"), with_issuer=True)
    yield h
    h.close()


def ask(token):
    return lambda g: g.ask("POST", CHAT, {"Authorization": f"Bearer {token}"}, QUESTION, key=None)


def check(house, token, why):
    house.seen.add(token)
    house.refused(ask(token), 401, why=why)


def raw(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


# Parts


def test_what_the_provider_signs_is_good(house):
    house.accepted(ask(house.issuer.sign()))
    house.accepted(ask(house.issuer.sign('{"kid":"main","alg":"RS\\u003256"}')))
    house.accepted(ask(house.issuer.sign(house.issuer.header(typ="at+JWT", x5t="AA", jku="https://evil.example"))))


def goods(house):
    """Texts of a good header and a good payload, without the closing brace."""
    issuer = house.issuer
    return json.dumps(issuer.header())[:-1], json.dumps(issuer.claims())[:-1]


@pytest.mark.parametrize("tail", [
    ',"exp":99999999999}', ',"aud":"api://spillway"}', ',"iss":"https://evil.example"}', ',"sub":"app"}',
    ',"sub":"partner"}',
    ',"\\u0065xp":4000000000}', ',"\\u0073ub":"app"}', ',"x":{"y":1,"y":2}}', ',"x":[{"y":1,"y":1}]}', "}garbage",
    "}{}", "}}",
    "", ",}", ',"x":1,}', ',"x":NaN}', ',"x":Infinity}', ',"x":0x10}', ',"x":01}', ',"x":+1}', ",'x':1}", ",x:1}",
    "/**/}",
    "} // x", ',"x":"\n"}', ',"x":"\0"}', "}\0", '}\0{"sub":"app"}', "}\0garbage", ',"x":"\\x41"}', ',"x":"\\ud800"}',
    ',"x":"\\u00"}', ',"x":1e999}',
    b',"x":"\xff"}', b',"x":"\xc0\xaf"}', b',"x":"\xed\xa0\x80"}', b',"x":"\xf5\x80\x80\x80"}'])
def test_payloads_that_two_readers_could_read_in_two_ways(house, tail):
    tail = tail if isinstance(tail, bytes) else tail.encode()
    check(house, house.issuer.sign(payload=goods(house)[1].encode() + tail), "token_malformed")


@pytest.mark.parametrize("payload", [
    "", " ", "null", "[]", "0", '"x"', "true", "[{}]", "{}", "{", "\ufeff{}", b"\x80", b"\0" * 64, b"{}\xff",
    "[" * 5000 + "]" * 5000,
    '{"a":' * 1900 + "1" + "}" * 1900])
def test_signed_payloads_that_are_no_claims(house, payload):
    check(house, house.issuer.sign(payload=payload), "token_malformed")


@pytest.mark.parametrize("alphabet", ["utf-16", "utf-16-be", "utf-32-le", "cp037"])
def test_signed_payloads_in_other_alphabets(house, alphabet):
    check(house, house.issuer.sign(payload=json.dumps(house.issuer.claims()).encode(alphabet)), "token_malformed")


@pytest.mark.parametrize("tail, why", [
    (',"alg":"none"}', "token_malformed"), (',"alg":"RS256"}', "token_malformed"), (',"kid":"main"}',
    "token_malformed"),
    (',"kid":"x"}', "token_malformed"), (',"\\u0061lg":"none"}', "token_malformed"), (',"x":{"y":1,"y":2}}',
    "token_malformed"),
    ("}x", "token_malformed"), (",}", "token_malformed"), ("", "token_malformed"), (',"crit":["exp"]}',
    "token_malformed"),
    (',"crit":[]}', "token_malformed"), (',"crit":null}', "token_malformed"), (',"b64":false}', "token_malformed"),
    (',"b64":true}', "token_malformed"), (',"zip":"DEF"}', "token_malformed"), (',"cty":"JWT"}', "token_malformed"),
    (',"cty":""}', "token_malformed"), (',"enc":"A128GCM"}', "token_malformed"),
    (',"x":' + "[" * 900 + "]" * 900 + "}", None),
    (',"x":"' + "x" * 4096 + '"}', "token_malformed")])
def test_signed_heads(house, tail, why):
    deep = why is None
    send = ask(house.issuer.sign(goods(house)[0] + tail))
    # Depth alone is no fault; it must not cost more than the token.
    house.accepted(send) if deep else house.refused(send, 401, why=why)


@pytest.mark.parametrize("header, why", [
    ({"typ": "JWE"}, "token_malformed"), ({"typ": "id+jwt"}, "token_malformed"), ({"typ": "logout+jwt"},
    "token_malformed"),
    ({"typ": "dpop+jwt"}, "token_malformed"), ({"typ": None}, "token_malformed"), ({"typ": ["JWT"]}, "token_malformed"),
    ({"kid": ""}, "token_malformed"), ({"kid": None}, "token_malformed"), ({"kid": ["main"]}, "token_malformed"),
    ({"kid": "MAIN"}, "token_unknown_key"), ({"kid": "main\0"}, "token_unknown_key"), ({"kid": "main "},
    "token_unknown_key"),
    ({"kid": "../keys/main"}, "token_unknown_key"), ({"kid": "main' OR 'a'='a"}, "token_unknown_key"),
    ({"kid": "main|x"}, "token_unknown_key"), ({"kid": "ｍａｉｎ"}, "token_unknown_key"), ({"kid": "*"},
    "token_unknown_key")])
def test_signed_heads_of_another_key_or_kind(house, header, why):
    check(house, house.issuer.sign(house.issuer.header(**header)), why)


@pytest.mark.parametrize("claims", [
    {"sub": "Partner"}, {"sub": "partner "}, {"sub": "partner\0"}, {"sub": ["partner"]}, {"sub": None}, {"sub": ""},
    {"sub": "*"},
    {"sub": "partne\u0155"}, {"sub": {"x": "partner"}}, {"sub": "x", "oid": "partner", "azp": "partner",
    "roles": ["partner"]},
    {"sub": "x", "azp": APP, "appid": APP, "tid": TENANT}, {"sub": [[[[]]]], "azp": APP, "ver": "2.0", "tid": TENANT}])
def test_subjects_of_nobody_and_claims_of_another_providers_client(house, claims):
    check(house, house.issuer.sign(payload=house.issuer.claims(**claims)), "token_no_client")


# Signatures


def test_algorithms_with_the_right_key_and_the_wrong_name(house):
    issuer, pss = house.issuer, padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    for pad, digest in ((pss, hashes.SHA256()), (None, hashes.SHA384()), (None, hashes.SHA512()), (None,
    hashes.SHA1())):
        check(house, issuer.sign(pad=pad, digest=digest), "token_signature")
    for name, pad, digest in (("PS256", pss, None), ("RS384", None, hashes.SHA384()), ("RS512", None, hashes.SHA512()),
                              ("RS1", None, hashes.SHA1())):
        check(house, issuer.sign(issuer.header(alg=name), pad=pad, digest=digest), "token_algorithm")


@pytest.mark.parametrize("kid, key, why", [
    ("main", "stranger", "token_signature"), ("of-encryption", "stranger", "token_unknown_key"),
    ("of-PS256", "stranger", "token_unknown_key"), ("short", "short", "token_unknown_key"),
    ("shared", "stranger", "token_unknown_key"), ("strangers", "stranger", "token_unknown_key")])
@pytest.mark.parametrize("brings", ["nothing", "jwk", "jku", "x5u", "x5c"])
def test_keys_that_are_not_for_this(house, kid, key, why, brings):
    issuer = house.issuer
    key = getattr(issuer, key)
    more = {"nothing": {}, "jwk": {"jwk": issuer.published(key, kid)}, "jku": {"jku": issuer.url + "/attackers"},
            "x5u": {"x5u": issuer.url + "/attackers"}, "x5c": {"x5c": [b64(b"0" * 300)]}}[brings]
    check(house, issuer.sign(issuer.header(kid=kid, **more), key=key), why)
    assert not [r for r in issuer.server.requests if "attackers" in r.target]


def test_a_provider_speaks_for_itself_alone(house):
    tenant = f"{house.sim.identity_url}/{TENANT}/v2.0"
    claims = house.issuer.claims(iss=tenant, tid=TENANT, azp=APP, ver="2.0")
    check(house, house.issuer.sign(payload=claims), "token_unknown_key")
    kid = decoded(parts(house.good)[0])["kid"]
    check(house, house.issuer.sign(house.issuer.header(kid=kid), claims), "token_signature")
    check(house, house.mint({"iss": house.issuer.url, "sub": "partner"}, header={"kid": "main"}), "token_signature")


@pytest.mark.parametrize("change, why", [
    (lambda s: s + b"\0", "token_signature"), (lambda s: b"\0" + s, "token_signature"), (lambda s: s[:-1],
    "token_signature"),
    (lambda s: s + s, "token_signature"), (lambda s: s[::-1], "token_signature"), (lambda s: b"\0" * 256,
    "token_signature"),
    (lambda s: b"\0" * 255 + b"\1", "token_signature"), (lambda s: b"\xff" * 256, "token_signature"),
    (lambda s: b"\0", "token_signature"), (lambda s: bytes([s[0] ^ 1]) + s[1:], "token_signature"),
    (lambda s: s[:-1] + bytes([s[-1] ^ 128]), "token_signature"), (lambda s: b"", "token_malformed")])
def test_signatures_of_the_provider_changed(house, change, why):
    text, _, signature = house.issuer.sign().rpartition(".")
    check(house, f"{text}.{b64(change(raw(signature)))}", why)


def test_a_signature_has_one_number(house):
    """s and s + n stand for the same residue; only one of them is a signature."""
    n = house.issuer.key.public_key().public_numbers().n
    for at in range(500):
        text, _, signature = house.issuer.sign(payload=house.issuer.claims(jti=at)).rpartition(".")
        other = int.from_bytes(raw(signature), "big") + n
        if other < 2**2048:
            break
    check(house, f"{text}.{b64(other.to_bytes(256, 'big'))}", "token_signature")


@pytest.mark.parametrize("bits", range(1, 16, 2))
def test_bits_behind_the_signature(house, bits):
    """The last letter of 342 holds four bits that nobody reads."""
    good = house.issuer.sign()
    check(house, good[:-1] + LETTERS[LETTERS.index(good[-1]) | bits], "token_malformed")


@pytest.mark.parametrize("spelling", [
    lambda h, p: (h + "=", p), lambda h, p: (h + "==", p), lambda h, p: (h, p + "="), lambda h, p: (h, p + "=="),
    lambda h, p: (h[:-1] + LETTERS[LETTERS.index(h[-1]) | 1], p), lambda h, p: (h,
    p[:-1] + LETTERS[LETTERS.index(p[-1]) | 1]),
    lambda h, p: (h + "A", p), lambda h, p: (h, p + "AA"), lambda h, p: (h, ""), lambda h, p: (h, p + "=" * 100),
    lambda h, p: (h, "=" + p), lambda h, p: (h, p[:8] + "=" + p[8:])])
def test_spellings_of_base64_that_were_signed(house, spelling):
    """Both parts are made two bytes longer than a multiple of three, so that their last letters have bits to spare."""
    def part(data):
        text = json.dumps(data)
        return b64(text + " " * ((2 - len(text)) % 3))
    h, p = spelling(part(house.issuer.header()), part(house.issuer.claims()))
    check(house, house.issuer.sign_text(f"{h}.{p}"), "token_malformed")


@pytest.mark.parametrize("mark", ["+", "/", " ", "\t", ",", "~", "%2d", "!", "*", "\\"])
def test_letters_of_other_alphabets_that_were_signed(house, mark):
    text = b64(json.dumps(house.issuer.claims(filler="x" * 12)))
    check(house, house.issuer.sign_text(f"{b64(json.dumps(house.issuer.header()))}.{text[:8]}{mark}{text[8:]}"),
    "key_unknown")


def test_both_alphabets_of_base64_spell_different_tokens(house):
    payload = house.issuer.claims(filler="\u00bf\u00be\u00ff\u00fe~~~???>>>")
    for at in range(100):
        token = house.issuer.sign(payload=json.dumps({**payload, "jti": "x" * at}, ensure_ascii=False))
        if "-" in token and "_" in token:
            break
    house.accepted(ask(token))
    check(house, token.replace("-", "+").replace("_", "/"), "key_unknown")


# Whose fault is it? The stranger's alone. The gateway has one worker here, so all of this happens in one thread.


@pytest.fixture
def fresh(certs, tmp_path):
    h = House(certs, tmp_path)
    yield h
    h.close()


WRONG = {"bits": lambda s: s[:-1] + bytes([s[-1] ^ 1]), "zeros": lambda s: b"\0" * 256, "ones": lambda s: b"\xff" * 256,
         "short": lambda s: s[:-1], "long": lambda s: s + b"\0"}


def strange(house, wrong):
    """The fields of a request whose token has a wrong signature."""
    text, _, signature = house.good.rpartition(".")
    bad = f"{text}.{b64(WRONG[wrong](raw(signature)))}"
    house.seen.add(bad)
    return {"Authorization": f"Bearer {bad}"}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_bad_signature_breaks_nobody_elses_stream(fresh, wrong):
    fields = strange(fresh, wrong)
    with fresh.gateway.connect() as stranger:
        for _ in range(3):
            with fresh.gateway.connect() as stream:
                stream.request("POST", CHAT, {"api-key": KEY}, {**STREAM, "max_tokens": 100})
                answer = stream.read_head()
                assert answer.status == 200
                # The stranger stays: to end a connection would tidy up behind it.
                assert [stranger.ask("POST", CHAT, fields, QUESTION).status for _ in range(3)] == [401] * 3
                stream.read_body(answer)
            assert answer.end == "whole" and b"[DONE]" in answer.body, answer.body[-300:]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_bad_signature_costs_the_next_request_nothing(fresh, wrong):
    fields = strange(fresh, wrong)
    with fresh.gateway.connect() as stranger, fresh.gateway.connect() as friend:
        for n in range(1, 6):
            assert stranger.ask("POST", CHAT, fields, QUESTION).status == 401
            assert friend.ask("POST", CHAT, {"api-key": KEY}, QUESTION).status == 200
            assert fresh.asked() == n
