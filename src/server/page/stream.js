// The connection to the gateway: reads events, comes back after an end, and asks for the key where one is wanted.
// EventSource cannot send a key, so the stream is read by hand.

const key_name = "spillway-admin-key";
const silence_ms = 5000;
const pauses_ms = [500, 1000, 2000, 4000];

export function authorization() {
  const key = sessionStorage.getItem(key_name);
  return key ? { Authorization: "Bearer " + key } : {};
}

export function keep_key(key) {
  sessionStorage.setItem(key_name, key);
}

export function forget_key() {
  sessionStorage.removeItem(key_name);
}

// Calls back with the data of each whole event and returns what is left of the text.
export function take_events(text, on_data) {
  for (;;) {
    const end = text.indexOf("\n\n");
    if (end < 0) return text;
    const data = text
      .slice(0, end)
      .split("\n")
      .filter((line) => line.startsWith("data: "))
      .map((line) => line.slice(6))
      .join("\n");
    if (data) on_data(data);
    text = text.slice(end + 2);
  }
}

export class Stream {
  // on: status(object), live(), stale(why), wants_key(wrong)
  constructor(on) {
    this.on = on;
    this.failures = 0;
    this.timer = 0;
  }

  start() {
    clearTimeout(this.timer);
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    this.read(abort).catch((error) => {
      if (this.abort !== abort) return;
      this.on.stale(error.told ?? "connection lost");
      const pause = pauses_ms[Math.min(this.failures++, pauses_ms.length - 1)];
      this.timer = setTimeout(() => this.start(), pause * (0.75 + Math.random() / 2));
    });
  }

  async read(abort) {
    let silence = 0;
    const expect_more = () => {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), silence_ms);
    };
    try {
      expect_more();
      const answer = await fetch("events", { headers: authorization(), cache: "no-store", signal: abort.signal });
      if (answer.status === 401) return this.on.wants_key("Authorization" in authorization());
      if (!answer.ok) throw Object.assign(new Error(), { told: "refused with status " + answer.status });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) throw new Error("the stream ended");
        expect_more();
        text = take_events(text + value, (data) => {
          this.failures = 0;
          this.on.live();
          this.on.status(JSON.parse(data));
        });
      }
    } finally {
      clearTimeout(silence);
    }
  }
}
