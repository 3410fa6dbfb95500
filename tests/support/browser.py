"""A real Chromium, driven by the words of WebDriver over plain HTTP."""

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request

from .config import free_port

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Space": "\ue00d", "Right": "\ue014"}


class Browser:
    def __init__(self, folder):
        self.port = free_port()
        self.log = folder / "chromedriver.log"
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=self.log.open("wb"),
                                       stderr=subprocess.STDOUT)
        self.base = f"http://127.0.0.1:{self.port}"
        self.until(lambda: self._ask("GET", "/status")["ready"], "chromedriver answers", 30)
        options = {"binary": "/usr/bin/chromium", "args": [*FLAGS, f"--user-data-dir={folder / 'profile'}"]}
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.base += "/session/" + made["sessionId"]

    def close(self):
        try:
            self._ask("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(20)

    def _ask(self, method, path, body=None):
        data = None if method in ("GET", "DELETE") else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            raise AssertionError(json.load(e)["value"]["message"]) from None

    @staticmethod
    def until(what, why, seconds=20):
        """The first true value of what()."""
        end = time.monotonic() + seconds
        while True:
            try:
                found = what()
            except OSError:
                found = None
            if found:
                return found
            assert time.monotonic() < end, why
            time.sleep(0.1)

    def go(self, url):
        self._ask("POST", "/url", {"url": url})

    def run(self, script, *args):
        """The body of a function; its arguments are arguments[0] and so on."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(args)})

    def wait(self, expression, seconds=20):
        return self.until(lambda: self.run(f"return {expression}"), f"never came true: {expression}", seconds)

    def press(self, *keys):
        actions = [{"type": kind, "value": KEYS.get(k, k)} for k in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def cdp(self, command, **params):
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def size(self, width, height):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme):
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def console(self):
        """What it has told since the last time."""
        return self._ask("POST", "/se/log", {"type": "browser"})

    def picture(self, file=None, whole=False):
        if whole:
            shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        else:
            shot = self._ask("GET", "/screenshot")
        data = base64.b64decode(shot)
        if file:
            file.write_bytes(data)
        return data
