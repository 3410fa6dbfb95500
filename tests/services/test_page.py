"""The live page in a real Chromium, in front of a real gateway.

SPILLWAY_PAGE_PICTURE=FILE keeps the picture that the documentation shows.
"""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from support.browser import Browser
from support.config import KEY, UPSTREAM_KEY, key_hash, merge
from support.gateway import STREAM

PAGE = Path(__file__).resolve().parents[2] / "src/server/page"
ROW = """[...document.querySelectorAll('#%s tbody tr')].map(r => [...r.cells].map(c => c.textContent))"""
CONTROLS = """[...document.querySelectorAll('a, button, input, [tabindex="0"]')].filter(e => e.checkVisibility())"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    b = Browser(tmp_path_factory.mktemp("chromium"))
    yield b
    b.close()


@pytest.fixture
def browser(chromium):
    chromium.size(1280, 900)
    chromium.prefer("light")
    chromium.go("about:blank")
    chromium.console()
    return chromium


def address(gateway):
    return "http://" + gateway.config["admin"]["address"]


def open_page(browser, gateway):
    browser.go(address(gateway) + "/")
    browser.wait("document.body.dataset.connection === 'live'")


def rows(browser, table):
    return browser.run("return " + ROW % table)


def row(browser, table, name):
    return next((r for r in rows(browser, table) if r[0] == name), None)


def wait_for_cell(browser, table, name, column, wanted):
    """Until that cell holds the text."""
    browser.until(lambda: wanted in (row(browser, table, name) or [""] * 20)[column],
                  f"{table}: {name} never shows {wanted!r}")


def test_an_open_breaker_appears_with_its_countdown(browser, pair, a):
    open_page(browser, pair)
    wait_for_cell(browser, "backend-table", "a/gpt4o-a", 2, "in use")
    browser.run("window.same_page = true")
    a.then(lambda c, r: c.error(429, fields={"retry-after": "50"}))
    assert pair.chat().status == 200
    wait_for_cell(browser, "backend-table", "a/gpt4o-a", 2, "throttled")
    seen = browser.run("""
        const find = () => [...document.querySelectorAll('#backend-table tbody tr')]
            .find(r => r.cells[0].textContent === 'a/gpt4o-a').cells[3].textContent;
        return new Promise(done => {
            const seen = [];
            const timer = setInterval(() => {
                seen.push(parseFloat(find()));
                if (seen.length === 20) { clearInterval(timer); done(seen); }
            }, 100);
        });""")
    assert all(0 < s <= 50 for s in seen) and seen == sorted(seen, reverse=True)
    assert len(set(seen)) >= 5, f"the countdown does not run between events: {seen}"
    assert "throttled" in browser.run("return document.getElementById('announcer').textContent")
    assert browser.run("return window.same_page") is True


def test_traffic_and_errors_appear_without_a_reload(browser, one, a):
    open_page(browser, one)
    browser.run("window.same_page = true")
    for _ in range(3):
        one.chat()
    wait_for_cell(browser, "client-table", "app", 3, "3")
    assert float(row(browser, "client-table", "app")[1]) > 0
    a.default = lambda c, r: c.error(500)
    one.chat()
    wait_for_cell(browser, "client-table", "app", 5, "1")
    browser.wait("document.querySelectorAll('#error-table tbody th').length === 1")
    assert rows(browser, "error-table")[0][1] == "503"
    for table in ("latency-table", "recent-table"):
        name, count, *times = row(browser, table, "main")
        assert count == "4" and all(t.endswith(("ms", " s")) for t in times), (table, times)
    assert browser.run("return window.same_page") is True


def test_the_key_is_asked_for_and_stays_out_of_the_address(browser, gateway, a):
    g = gateway([a], {"admin": {"keys": ["open-sesame"]}})
    browser.go(address(g) + "/")
    browser.wait("document.body.dataset.connection === 'key'")
    assert browser.run("return document.activeElement.id") == "key"
    browser.press(*"wrong", "Enter")
    browser.wait("document.getElementById('connection').textContent === 'the key is wrong'")
    browser.press(*"open-sesame", "Enter")
    browser.wait("document.body.dataset.connection === 'live'")
    assert browser.run("return document.getElementById('key-form').hidden") is True
    told = browser.run("return [location.href, JSON.stringify(localStorage), document.cookie, ...performance"
                       ".getEntriesByType('resource').map(e => e.name)].join(' ')")
    assert "sesame" not in told
    browser.run("document.getElementById('reload').click()")
    browser.wait("document.getElementById('reload-result').textContent.startsWith('The file was read')")
    browser.go(address(g) + "/")  # the same tab still knows it
    browser.wait("document.body.dataset.connection === 'live'")
    browser.run("sessionStorage.clear()")


def test_a_key_that_is_taken_away_ends_the_stream(browser, gateway, a):
    g = gateway([a])
    open_page(browser, g)
    assert g.reload({"admin": {"keys": ["open-sesame"]}}).status == 200
    browser.wait("document.body.dataset.connection === 'key'")


def test_everything_works_with_the_keyboard(browser, pair):
    open_page(browser, pair)
    wanted = browser.run(f"return {CONTROLS}.length")
    assert wanted > 30
    browser.run("window.reached = new Set(); document.addEventListener('focusin', e => window.reached.add(e.target))")
    browser.press("Tab")
    assert browser.run("return document.activeElement.className") == "skip"
    assert browser.run("return document.activeElement.getBoundingClientRect().top") >= 0
    browser.press(*["Tab"] * (wanted + 2))
    missed = browser.run(f"return {CONTROLS}.filter(e => !window.reached.has(e)).map(e => e.outerHTML)")
    assert missed == []

    heads = "document.querySelectorAll('#backend-table thead button')"
    browser.run(f"{heads}[0].focus()")
    browser.press("Enter")
    state = "document.activeElement.closest('th').getAttribute('aria-sort')"
    assert browser.run(f"return {state}") == "ascending"
    assert [r[0] for r in rows(browser, "backend-table")] == ["a/gpt4o-a", "b/gpt4o-b"]
    browser.press("Space")
    assert browser.run(f"return {state}") == "descending"
    assert [r[0] for r in rows(browser, "backend-table")] == ["b/gpt4o-b", "a/gpt4o-a"]
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert browser.run("return document.querySelectorAll('#backend-table [aria-sort]').length") == 1
    before = browser.run("return document.getElementById('uptime').textContent")
    browser.wait(f"document.getElementById('uptime').textContent !== '{before}'")
    assert browser.run(f"return {state}") == "descending", "an update took the focus away"


def test_wide_tables_are_scrolled_with_the_keyboard(browser, one):
    browser.size(360, 740)
    open_page(browser, one)
    wait_for_cell(browser, "backend-table", "a/gpt4o-a", 2, "in use")
    region = "document.querySelector('#backend-table .scroll')"
    browser.wait(f"{region}.tabIndex === 0")
    browser.run(f"{region}.focus()")
    browser.press("Right", "Right")
    browser.wait(f"{region}.scrollLeft > 0")


def test_structure_for_screen_readers(browser, one):
    open_page(browser, one)
    assert browser.run("return document.documentElement.lang") == "en"
    for landmark in ("header", "main", "nav[aria-label]", "h1"):
        assert browser.run(f"return document.querySelectorAll('{landmark}').length") == 1
    assert browser.run("return [...document.querySelectorAll('table')].every(t => t.caption && "
                       "[...t.tHead.querySelectorAll('th')].every(h => h.scope === 'col'))")
    assert browser.run("return [...document.querySelectorAll('section')].every(s => document.getElementById("
                       "s.getAttribute('aria-labelledby')).textContent)")
    assert browser.run("return [...document.querySelectorAll('input')].every(i => i.labels.length === 1)")
    # Only states are spoken, never numbers that change each second.
    assert browser.run("return [...document.querySelectorAll('[aria-live]')].map(e => e.id)") == ["announcer"]
    browser.run("window.spoken = 0; new MutationObserver(() => ++window.spoken).observe("
                "document.getElementById('announcer'), {childList: true, characterData: true, subtree: true})")
    before = browser.run("return document.getElementById('uptime').textContent")
    one.chat()
    wait_for_cell(browser, "client-table", "app", 3, "1")
    browser.wait(f"document.getElementById('uptime').textContent !== '{before}'")
    assert browser.run("return window.spoken") == 0


def test_dark_and_light(browser, one, tmp_path):
    open_page(browser, one)
    background = "getComputedStyle(document.body).backgroundColor"
    light, light_colour = browser.picture(tmp_path / "light.png"), browser.run(f"return {background}")
    browser.prefer("dark")
    dark, dark_colour = browser.picture(tmp_path / "dark.png"), browser.run(f"return {background}")
    assert light != dark and light_colour != dark_colour
    click = "document.getElementById('theme').click()"
    browser.run(click)  # dark
    browser.run(click)  # light, although the system is dark
    assert browser.run(f"return {background}") == light_colour
    browser.go(address(one) + "/")
    assert browser.run(f"return {background}") == light_colour, "the choice is forgotten"
    browser.run(click)
    assert browser.run(f"return {background}") == dark_colour


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast_is_enough(theme):
    pairs = re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\);", (PAGE / "page.css").read_text())
    colours = {name: both[theme] for name, *both in pairs}
    for ground in ("page", "panel"):
        for text in ("text", "quiet", "link", "good", "warn", "bad"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for line in ("control", "focus"):
            assert contrast(colours[line], colours[ground]) >= 3, (line, ground)


@pytest.mark.parametrize("width", [320, 360, 768])
def test_narrow_screens_scroll_in_one_direction_only(browser, pair, a, tmp_path, width):
    browser.size(width, 740)
    open_page(browser, pair)
    a.then(lambda c, r: c.error(429, fields={"retry-after": "50"}))
    pair.chat()
    wait_for_cell(browser, "backend-table", "a/gpt4o-a", 2, "throttled")
    browser.picture(tmp_path / f"{width}.png")
    assert browser.run("return document.documentElement.scrollWidth") <= browser.run("return window.innerWidth")


def test_nothing_from_elsewhere_and_no_errors(browser, one):
    open_page(browser, one)
    one.chat()
    wait_for_cell(browser, "client-table", "app", 3, "1")
    assert [e for e in browser.console() if e["level"] != "INFO"] == []
    asked = browser.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert len(asked) >= 6
    assert all(name.startswith(address(one) + "/") for name in asked), asked


def test_rows_do_not_jump(browser, pair):
    open_page(browser, pair)
    place = "JSON.stringify(['traffic', 'errors'].map(i => document.getElementById(i).getBoundingClientRect().top))"
    pair.chat()
    wait_for_cell(browser, "client-table", "app", 3, "1")
    before = browser.run(f"return {place}")
    pair.chat()
    wait_for_cell(browser, "client-table", "app", 3, "2")
    assert browser.run(f"return {place}") == before


def test_the_page_comes_back_after_a_restart(browser, one):
    open_page(browser, one)
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()
    browser.wait("document.body.dataset.connection === 'stale'")
    assert browser.run("return document.getElementById('connection').textContent").startswith("stale since")
    one.start()
    browser.wait("document.body.dataset.connection === 'live'", 30)
    one.chat()
    wait_for_cell(browser, "client-table", "app", 3, "1")


def test_hostile_names_stay_text(browser, gateway, a):
    hostile = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
    image = hostile[:hostile.index("<script>")]  # a version has 64 characters at most
    g = gateway([a], {"pools": {"main": {"version": image}}})
    open_page(browser, g)
    wait_for_cell(browser, "pool-table", "main", 3, image)
    # No name can be like that today; the page does not rely on it.
    browser.run("""
        const hostile = arguments[0];
        return Promise.all([import('/page/sections.js'), import('/page/rates.js'), fetch('/status').then(r => r.json())])
            .then(([{ Sections }, { Rates }, status]) => {
                const rates = new Rates();
                status.at = 1;
                const evil = { at: 1, status: 500, code: hostile, client: hostile, pool: hostile, backend: hostile,
                               operation: hostile, request_id: hostile };
                status.errors = [evil];
                status.attention = [hostile];
                status.configuration.issues = [{ text: hostile }];
                status.traffic.clients = [{ ...status.traffic.pools[0], name: hostile, requests: 1,
                    statuses: { '4xx': 0, '5xx': 0 }, price_nanos: 0,
                    tokens: { exact: { prompt: 0, completion: 0 }, estimated: { prompt: 0, completion: 0 } } }];
                status.pools[0].name = hostile;
                status.pools[0].backends[0].name = hostile;
                status.pools[0].backends[0].breaker.state = hostile;
                rates.add(status);
                new Sections(rates).show(status);
            });""", hostile)
    assert browser.run("return document.body.textContent.split(arguments[0]).length", hostile) > 10
    assert browser.run("return document.querySelectorAll('main img, main script').length") == 0
    assert browser.run("return window.hacked === undefined")


CLIENTS = {"shop": 9, "search": 5, "support": 2}  # and how much each asks
PRICES = {"gpt-4o": {"input": 2.5, "output": 10}, "text-embedding-3-small": {"input": 0.02},
          "dall-e-3": {"input": 1}, "tts-1": {"input": 1}}


def picture_config(sim, tmp_path):
    base = sim.gateway_config()
    clients = {name: {"keys": [key_hash(KEY + name)],
                      "quota": {"tokens_per_minute": 8000 * n, "budget": {"money": 0.02 * n, "per": "day"}}}
               for n, name in enumerate(CLIENTS, 1)}
    return merge(base, {
        "gateway": {"name": "gateway-1"},
        "instances": {i.name: {"region": r} for i, r in zip(sim.instances, ("westeurope", "swedencentral"))},
        "credentials": {"azure": {"api_key": "${AZURE_KEY}"}},
        "clients": {"app": None, **clients},
        "routes": [{**r, "clients": list(CLIENTS), "name": r["pool"]} for r in base["routes"]],
        "prices": {"models": PRICES},
        "usage": {"spool": str(tmp_path / "spool"), "store": f"sqlite:{tmp_path}/usage.db"}})


def test_picture(browser, gateway, simulator, tmp_path, monkeypatch):
    monkeypatch.setenv("AZURE_KEY", UPSTREAM_KEY)
    sim = simulator()
    g = gateway(sim.instances, picture_config(sim, tmp_path))
    open_page(browser, g)
    for name, times in CLIENTS.items():
        for _ in range(times):
            assert g.chat(key=KEY + name).status == 200
    sim.fault(instance="a", fault="status", status=429, retry_after=40, times=1)
    assert g.chat(STREAM, key=KEY + "shop").status == 200
    sim.fault(instance="b", fault="status", status=500, times=1)
    g.chat(key=KEY + "search")
    wait_for_cell(browser, "client-table", "shop", 3, "10")
    wait_for_cell(browser, "store-table", "Ledger", 1, "up")
    used = {(r[0], r[1]): r[2] for r in rows(browser, "quota-table")}
    assert used["client:support", "24,000 tokens a minute"].endswith(" of 12,000")
    assert int(used["client:support", "24,000 tokens a minute"].split()[0].replace(",", "")) < 1000
    assert next(v for k, v in used.items() if k[0] == "client:shop" and "money" in k[1]).endswith(" of 0.02 USD")
    browser.size(1280, 1000)
    file = tmp_path / "page.png"
    browser.picture(file, whole=True)
    assert file.stat().st_size > 20000
    if keep := os.environ.get("SPILLWAY_PAGE_PICTURE"):
        shutil.copy(file, keep)
