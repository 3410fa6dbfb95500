"""Tokens that are made to be mistaken for good ones. None gets past the gateway, none reaches an instance."""

import json
import re
import time

import pytest
from support.config import KEY
from support.gateway import QUESTION
from support.hostile import APP, AUDIENCE, CHAT, OTHER_TENANT, TENANT, House, b64, decoded, parts, rewritten
from support.wire import compose

NOW = int(time.time())


@pytest.fixture(scope="module")
def house(certs, tmp_path_factory):
    h = House(certs, tmp_path_factory.mktemp("hostile"))
    yield h
    h.close()


def ask(token, scheme="Bearer "):
    return lambda g: g.ask("POST", CHAT, {"Authorization": f"{scheme}{token}"}, QUESTION, key=None)


def check(house, token, why=None, status=401):
    house.seen.add(token)
    house.refused(ask(token), status, why=why)


def test_the_token_that_all_others_are_made_from_is_good(house):
    before = house.asked()
    house.still_serves()
    assert house.asked() == before + 2


# Whoever signs decides which algorithm is believed? No.


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "HS256", "HS384", "RS384", "RS512", "PS256", "ES256",
                                 "EdDSA", "dir", "RSA-OAEP", "rs256", "RS256 ", " RS256", "RS2567", "",
                                 "A" * 200])
def test_no_other_algorithm(house, alg):
    check(house, house.mint(header={"alg": alg}), "token_algorithm")


@pytest.mark.parametrize("alg", [None, 1, True, ["RS256"], {"RS256": 1}, [], 256.0])
def test_algorithms_that_are_no_text(house, alg):
    h, _, _ = parts(house.good)
    check(house, rewritten(house.good, header=json.dumps({**decoded(h), "alg": alg})), "token_algorithm")


@pytest.mark.parametrize("signature", ["", "AA", "A" * 342, "A" * 10, None])
def test_unsigned_under_a_signed_name(house, signature):
    h, p, s = parts(house.good)
    check(house, f"{h}.{p}.{s[:-4] if signature is None else signature}")


# Heads


@pytest.mark.parametrize("header", [
    {"typ": "JWE"}, {"typ": "JOSE"}, {"typ": "id_token"}, {"typ": ""}, {"cty": "JWT"}, {"cty": "application/jwt"},
    {"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"zip": "DEF"},
    {"enc": "A256GCM"}, {"kid": None}, {"kid": ""}, {"kid": "unknown"}, {"kid": "../../../../etc/passwd"},
    {"kid": "/dev/null"}, {"kid": "' OR 1=1 --"}, {"kid": "k" * 257}, {"kid": "k" * 4000}, {"kid": "\u0000"},
    {"kid": "https://evil.example/keys"}, {"kid": 7}, {"kid": ["k"]}, {"kid": "ключ"}])
def test_heads(house, header):
    named = [*header] == ["kid"] and isinstance(header["kid"], str) and 0 < len(header["kid"]) <= 256
    check(house, house.mint(header=header), "token_unknown_key" if named else "token_malformed")


@pytest.mark.parametrize("more", [{"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/cert"},
                                  {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}, {"x5c": ["MIIB"]}])
def test_keys_that_a_token_brings_along_do_not_count(house, more):
    check(house, house.mint(header={**more, "kid": "attackers"}, key="unknown"), "token_unknown_key")
    check(house, house.mint(header=more, key="unknown"), "token_unknown_key")
    check(house, house.mint(header={**more, "kid": decoded(parts(house.good)[0])["kid"]}, key="unknown"),
    "token_signature")


@pytest.mark.parametrize("text", [
    '{"alg":"none","alg":"RS256","kid":"KID"}', '{"alg":"RS256","alg":"none","kid":"KID"}',
    '{"alg":"RS256","kid":"x","kid":"KID"}', '{"alg":"RS256","kid":"KID"}garbage', '["RS256"]', '"RS256"', "", "{",
    "null",
    '{"alg":"RS256","kid":"KID",}', "{'alg':'RS256','kid':'KID'}", '\ufeff{"alg":"RS256","kid":"KID"}',
    '{"a":' * 600 + "1" + "}" * 600])
def test_heads_that_two_readers_could_read_in_two_ways(house, text):
    kid = decoded(parts(house.good)[0])["kid"]
    check(house, rewritten(house.good, header=text.replace("KID", kid)))


# Form


@pytest.mark.parametrize("change", [
    lambda t: t + "=", lambda t: t + "==", lambda t: t + ".", lambda t: "." + t, lambda t: t + ".x", lambda t: t[:-1],
    lambda t: t[1:], lambda t: t.replace(".", "..", 1), lambda t: t.rsplit(".", 1)[0], lambda t: t.split(".")[0],
    lambda t: t.split(".")[1], lambda t: ".".join([*t.split("."), "a", "b"]), lambda t: t.replace(".", "%2e"),
    lambda t: t + t, lambda t: t[: len(t) // 2], lambda t: t.swapcase(), lambda t: t[::-1], lambda t: t + "A" * 16,
    lambda t: t.replace("e", "e=", 1), lambda t: "eyJ" + t, lambda t: t.upper(), lambda t: t + "\u00e9"])
def test_forms(house, change):
    check(house, change(house.good))


@pytest.mark.parametrize("at", [5, 40, 100, 200, 300, -1, -2, -100, -300])
def test_one_letter_changed(house, at):
    letters = list(house.good)
    letters[at] = "A" if letters[at] != "A" else "g"
    check(house, "".join(letters))


@pytest.mark.parametrize("size, status, why", [(16 * 1024 + 1, 401, "token_malformed"), (20_000, 401,
    "token_malformed"),
                                               (30_000, 431, None)])
def test_sizes(house, size, status, why):
    check(house, rewritten(house.good, payload=json.dumps({"iss": "x", "filler": "x" * size})), why, status)


def test_a_large_token_that_is_good_but_too_large(house):
    check(house, house.mint({"groups": [f"{n:036}" for n in range(400)]}), "token_malformed")


def test_parts_of_two_good_tokens(house):
    second = house.mint({"roles": ["Admin"]})
    (h1, p1, s1), (h2, p2, s2) = parts(house.good), parts(second)
    for mixed in (f"{h1}.{p2}.{s1}", f"{h1}.{p1}.{s2}", f"{h2}.{p2}.{s1}"):
        check(house, mixed, "token_signature")


# Claims, properly signed


CLAIMS = {
    "token_wrong_audience": [
        {"aud": None}, {"aud": ""}, {"aud": []}, {"aud": "api://other"}, {"aud": AUDIENCE + "/"},
        {"aud": AUDIENCE.upper()},
        {"aud": AUDIENCE + ".evil.example"}, {"aud": "x" + AUDIENCE}, {"aud": [["api://spillway"]]}, {"aud": True},
        {"aud": {"a": AUDIENCE}}, {"aud": " " + AUDIENCE}, {"aud": "https://cognitiveservices.azure.com"}, {"aud": "*"},
        {"aud": "https://graph.microsoft.com"}, {"aud": ["api://other", AUDIENCE + "/"]}, {"aud": AUDIENCE[:-1]},
        {"aud": AUDIENCE + ",api://other"}, {"aud": AUDIENCE + "\u0000"}, {"aud": AUDIENCE[6:]}],
    "token_malformed": [
        {"iss": None}, {"iss": ""}, {"iss": 1}, {"nbf": str(NOW)}, {"nbf": "now"}, {"nbf": [1]}, {"nbf": -5},
        {"nbf": 1e30},
        {"nbf": True}],
    "token_unknown_issuer": [
        {"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"}, {"iss": "https://evil.example/"},
        {"iss": f"https://sts.windows.net/{TENANT}/"}, {"iss": f"https://login.microsoftonline.com/common/v2.0"}],
    "token_wrong_issuer": [
        {"tid": None}, {"tid": ""}, {"tid": OTHER_TENANT}, {"tid": TENANT + "0"}, {"tid": [TENANT]}, {"tid": "common"},
        {"tid": TENANT + " "}, {"tid": TENANT.replace("-", "")}, {"tid": "{" + TENANT + "}"}],
    "token_no_expiry": [
        {"exp": None}, {"exp": -1}, {"exp": str(NOW + 3600)}, {"exp": [NOW + 3600]}, {"exp": 1e20}, {"exp": True},
        {"exp": ""},
        {"exp": NOW + 200_000_000_000}, {"exp": {"in": 3600}}],
    "token_expired": [{"exp": NOW - 3600}, {"exp": 0}, {"exp": 1.5}, {"exp": NOW - 125}],
    "token_not_yet": [{"nbf": NOW + 3600}, {"nbf": NOW + 300.5}],
    "token_no_client": [
        {"azp": None, "appid": None}, {"azp": "", "appid": APP}, {"azp": None, "appid": APP}, {"azp": [APP]},
        {"azp": APP + " "}, {"azp": "*"}, {"azp": {"id": APP}}, {"azp": APP[:-1]}, {"azp": APP[:-1] + "١"},
        {"azp": APP + "\u0000"}, {"azp": "other", "sub": APP, "oid": APP, "roles": [APP], "groups": [APP]},
        {"ver": "1.0", "azp": APP, "appid": "other"}, {"ver": "1.0", "azp": APP, "appid": None},
        {"ver": "2.0", "azp": "other", "appid": APP}, {"ver": 1.0, "azp": "other", "appid": APP}],
}


@pytest.mark.parametrize("why, claims", [(why, c) for why, all_of_them in CLAIMS.items() for c in all_of_them])
def test_claims(house, why, claims):
    check(house, house.mint(claims), why)


@pytest.mark.parametrize("change", [
    lambda i: i + "/", lambda i: i.replace("https:", "http:"), lambda i: i.upper(), lambda i: i[:-1], lambda i: i + "#",
    lambda i: i.replace("/v2.0", ""), lambda i: i.replace("/v2.0", "/v1.0"), lambda i: i.replace("127.0.0.1",
    "localhost"),
    lambda i: " " + i, lambda i: i + "\u0000", lambda i: i.replace(TENANT, OTHER_TENANT), lambda i: i.replace(TENANT,
    "common"),
    lambda i: i.replace("//", "//evil@"), lambda i: i.replace(TENANT, "{tenantid}"), lambda i: i.replace("/v2",
    "/./v2")])
def test_spellings_of_the_issuer(house, change):
    check(house, house.mint({"iss": change(f"{house.sim.identity_url}/{TENANT}/v2.0")}), "token_unknown_issuer")


def test_a_token_of_another_tenant_is_of_no_tenant_of_ours(house):
    check(house, house.mint(tenant=OTHER_TENANT), "token_unknown_issuer")
    check(house, house.mint({"tid": TENANT}, tenant=OTHER_TENANT), "token_unknown_issuer")
    check(house, house.mint({"tid": OTHER_TENANT}), "token_wrong_issuer")
    check(house, house.mint({"tid": OTHER_TENANT}, version=1), "token_wrong_issuer")
    check(house, house.mint({"appid": "other"}, version=1), "token_no_client")


@pytest.mark.parametrize("payload", ["[]", '"x"', "1", "null", "", "{", '{"iss":"a","iss":"b"}', "{}", "\x00",
                                     '{"iss":' + "[" * 4000 + "]" * 4000 + "}"])
def test_payloads_that_are_no_claims(house, payload):
    check(house, rewritten(house.good, payload=payload), "token_malformed")


def test_a_withdrawn_key_signs_for_nobody(house):
    check(house, house.mint(key="unknown"), "token_unknown_key")


# How it is brought


@pytest.mark.parametrize("scheme, status", [
    ("bearer  ", 200), ("BEARER ", 200), ("Bearer\t", 401), ("Bearer", 401), ("Basic ", 401), ("Negotiate ", 401),
    ("Token ", 401), ("", 401), ("Bearer,", 401), ("DPoP ", 401), ("Bearer Bearer ", 401), ("Bearer a, Bearer ", 401),
    ("Bearer=", 401), ("\"Bearer\" ", 401)])
def test_schemes(house, scheme, status):
    if status == 200:
        assert ask(house.good, scheme)(house.gateway).status == 200
    else:
        house.refused(ask(house.good, scheme), status)


ELSEWHERE = [
    [("api-key", "TOKEN")], [("Ocp-Apim-Subscription-Key", "TOKEN")], [("x-api-key", "TOKEN")], [("Cookie", "t=TOKEN")],
    [("X-MS-TOKEN-AAD-ACCESS-TOKEN", "TOKEN")], [("X-MS-CLIENT-PRINCIPAL", "eyJhdXRoX3R5cCI6ImFhZCJ9")],
    [("X-MS-CLIENT-PRINCIPAL-ID", APP)], [("Proxy-Authorization", "Bearer TOKEN")], [("X-MS-TOKEN-AAD-ID-TOKEN",
    "TOKEN")],
    [("X-Forwarded-Access-Token", "TOKEN")], [("X-ZUMO-AUTH", "TOKEN")],
    [("Authorization", "Bearer TOKEN TOKEN")], [("Authorization", "Bearer TOKEN,TOKEN")],
    [("Authorization", "Bearer TOKEN, Basic eDp5")], [("Authorization", "Bearer TOKEN;x=1")],
    [("Authorization", 'Bearer "TOKEN"')], [("Authorization", "Bearer token=TOKEN")]]
TWICE = [
    [("Authorization", "Bearer TOKEN"), ("Authorization", "Bearer TOKEN")],
    [("Authorization", "Bearer TOKEN"), ("Authorization", "Bearer x")],
    [("Authorization", "Basic x"), ("authorization", "Bearer TOKEN")],
    [("Authorization", ""), ("Authorization", "Bearer TOKEN")],
    [("Authorization", "Bearer TOKEN"), ("api-key", KEY)], [("Authorization", "Bearer TOKEN"), ("api-key", "x")],
    [("Authorization", "Bearer TOKEN"), ("Ocp-Apim-Subscription-Key", KEY)],
    [("api-key", "x"), ("Authorization", "Bearer TOKEN")], [("Authorization", "Bearer x"), ("api-key", "TOKEN")]]


@pytest.mark.parametrize("status, fields", [(401, f) for f in ELSEWHERE] + [(400, f) for f in TWICE])
def test_tokens_in_other_places(house, status, fields):
    filled = [(n, v.replace("TOKEN", house.good)) for n, v in fields]
    house.refused(lambda g: g.ask("POST", CHAT, filled, QUESTION, key=None), status)


@pytest.mark.parametrize("query", ["access_token=TOKEN", "authorization=Bearer%20TOKEN", "id_token=TOKEN",
    "token=TOKEN"])
def test_tokens_in_the_query(house, query):
    target = f"{CHAT}&{query.replace('TOKEN', house.good)}"
    house.refused(lambda g: g.ask("POST", target, {}, QUESTION, key=None), 401)


def test_it_is_the_signature_that_counts_not_the_cache(house):
    """A token that is known and one that differs in its signature alone."""
    house.still_serves()
    h, p, s = parts(house.good)
    for signature in (f"{s[:-8]}{'AAAAAAAA' if s[-8:] != 'AAAAAAAA' else 'BBBBBBBB'}", b64(b"x" * 256)):
        check(house, f"{h}.{p}.{signature}", "token_signature")


# A connection that was somebody's a moment ago


def on_one_connection(house, requests):
    """Statuses of requests that share a connection, each with these fields."""
    with house.gateway.connect() as wire:
        return [wire.ask("POST", CHAT, fields, QUESTION).status for fields in requests]


@pytest.mark.parametrize("fields, status", [
    ([], 401), ([("Authorization", "Bearer ")], 401), ([("Authorization", "Bearer x")], 401), ([("api-key", "x")], 401),
    ([("api-key", "TOKEN")], 401), ([("api-key", "TOKEN"), ("Authorization", "Bearer ")], 401),
    ([("Ocp-Apim-Subscription-Key", "TOKEN")], 401), ([("Authorization", "Basic TOKEN")], 401),
    ([("Authorization", "Bearer LONGER")], 401), ([("Authorization", "Bearer SHORTER")], 401),
    ([("Authorization", "Bearer HEAD.PAYLOAD.")], 401), ([("Authorization", "Bearer HEAD.PAYLOAD")], 401),
    ([("Authorization", "Bearer TOKEN"), ("api-key", KEY)], 400), ([("Cookie", "TOKEN")], 401),
    ([("Authorization", "Bearer TOKEN"), ("Authorization", "Bearer TOKEN")], 400),
    ([("Authorization", "Bearer LAST")], 401), ([("Authorization", "Bearer EXPIRED")], 401),
    ([("Authorization", "Bearer OTHER")], 401)])
def test_a_connection_lends_its_identity_to_nobody(house, fields, status):
    h, p, s = parts(house.good)
    last = "AA" if s[-2:] != "AA" else "Aw"  # The last byte of a signature; one in 256 ends in a zero.
    words = {"TOKEN": house.good, "HEAD": h, "PAYLOAD": p, "LAST": f"{h}.{p}.{s[:-2]}{last}",
             "EXPIRED": house.mint({"exp": NOW - 3600}), "OTHER": house.mint(tenant=OTHER_TENANT),
             "LONGER": house.good + "AAAA", "SHORTER": house.good[:-4]}
    filled = [(name, re.sub("[A-Z]{4,}", lambda m: words[m[0]], value) if value != KEY else value)
              for name, value in fields]
    good = {"Authorization": f"Bearer {house.good}"}
    before = house.asked()
    assert on_one_connection(house, [good, filled, good]) == [200, status, 200]
    assert house.asked() == before + 2


def test_requests_sent_at_once_are_each_their_own(house):
    good = compose("POST", CHAT, {"Authorization": f"Bearer {house.good}"}, QUESTION)
    nobody, key = compose("POST", CHAT, {}, QUESTION), compose("POST", CHAT, {"api-key": "x" * 20}, QUESTION)
    before = house.asked()
    with house.gateway.connect() as wire:
        wire.send(good + nobody + good + key + nobody)
        assert [wire.read_answer().status for _ in range(5)] == [200, 401, 200, 401, 401]
    assert house.asked() == before + 2
