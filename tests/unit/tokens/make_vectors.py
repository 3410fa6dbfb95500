#!/usr/bin/env python3
"""Makes vectors.json: texts and how many tokens OpenAI's own library counts. Set up as scripts/make-vocabulary tells.

    tests/unit/tokens/make_vectors.py DIR/node_modules/tiktoken [SEED COUNT FILE]

With SEED and COUNT it writes that many random texts instead, one a line of FILE, for a longer comparison.
"""

import base64
import json
import pathlib
import random
import sys

import tiktoken
from tiktoken_ext import openai_public

HERE = pathlib.Path(__file__).resolve().parent

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.", "Größe, Straße und Übermut tun selten gut.", "C'est l'été à Noël, où l'œuvre naît.",
    "¿Dónde está el niño? ¡Mañana!", "Съешь же ещё этих мягких французских булок, да выпей чаю.", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה", "صِف خَلقَ خَودِ كَمِثلِ الشَمسِ إِذ بَزَغَت", "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा", "আমি কাঁচ খেতে পারি",
    "யாமறிந்த மொழிகளிலே தமிழ்மொழி", "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า", "ຂອ້ຍກິນແກ້ວໄດ້", "ကျွန်တော် မြန်မာ", "ខ្ញុំអាចញ៉ាំកញ្ចក់", "我能吞下玻璃而不伤身体。", "私はガラスを食べられます。それは私を傷つけません。",
    "나는 유리를 먹을 수 있어요. 그래도 아프지 않아요", "მინას ვჭამ და არა მტკივა.", "Կրնամ ապակի ուտել", "ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ", "ⵜⵉⴼⵉⵏⴰⵖ", "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ", "በአማርኛ", "བོད་སྐད", "Tiếng Việt có nhiều dấu thanh",
    "İstanbul'da ĞÜŞ", "ǅungla ǈubav ǋ", "ﬀ ﬁ ﬂ", "ʰello ʲ ˀ", "ªº", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛𝟜", "１２３４５", "٣٤٥٦٧ ४५६७", "Ⅷ ½ ¾ ② ³",
    "😀😃 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽", "☃☄★ ♥️ ✔︎", "e\u0301 a\u0308\u0323 Z\u0351\u0310\u032b", "\u0301ABC", "\u0301\u0302abc", "!\u0301ABC", "!!\u0301abc", " \u0301ABC d",
    "oAoA ªAAAa ƎǝAª", "ABCªDEF GHI", "中ABC文def", "𐐀𐐨 𞤀𞤢", "\u1c89\u1c8a \ua7cb \ua7dc",
    "I'm you're he'll we've they'd it's don't I'M YOU'RE HE'LL WE'VE THEY'D IT'S DON'T", "'s 't 're 've 'm 'll 'd 'x 'l 'v 'r", "'ſ aſ'ſx 'S'T'LL", "rock'n'roll 'tis ''s",
    "camelCaseWords PascalCase SCREAMING_SNAKE snake_case kebab-case HTMLParser iPhone", "x1y22z333 1234567890 1 12 123 1234 3.14159 1,000,000",
    " leading", "trailing ", "  two  spaces  ", "\ttab\t\ttabs", "a\nb\r\nc\rd", "a\n\n\nb", "a \n b  \n  c", "\n \n", " \n\t\r \n ", "   ", "\n", "\r\n\r\n", "a   ", "a \n  ", "a\u00a0b\u2003c\u3000d\u2028e\u2029f\u0085g\u000bh\u000ci",
    "\u200b\u200d\ufeff\u180e", "\0\1\2\x1b[0m\x7f", "...!!!???", "---\n===\n***\r\n", "a/b//c///\n/\n", "//\r\n/x", " !\n\n/ /", "<|endoftext|>", "<|im_start|>user<|im_sep|>", "<|endofprompt|> <|fim_prefix|>",
    "http://example.com/a?b=c&d=%20#e", "me@example.com", "{\"a\": [1, 2, {\"b\": null}], \"c\": \"d\\n\"}", "for (int i = 0; i < n; ++i) {\n    sum += a[i];\n}\n", "def f(x):\n\treturn x ** 2  # square\n", "SELECT * FROM t WHERE a='b';--",
    "<div class=\"x\">\n  <p>Hi</p>\n</div>", "$E = mc^2$ \\frac{1}{2}", "0x1F600 0b1010 1e-9", "\ud7a3\ue000\uf8ff\uffff", "\U0010ffff\U000e0001", "",
]
LONG = [c * n for c in ("a", "A", " ", "\n", "\r\n", "1", "=", "é", "中", "😀", "\u0301", "ab", "aA", "Aa", "oA", " a", "a ", " \n", "!\u0301", "'s", "abcdefghij", "/\n") for n in (2, 3, 7, 63, 64, 65, 500)]
BROKEN = [b"\xff", b"a\x80b", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x82a", b"\xe2(\xa1", b"\xf0\x9f\x98", b"\xf0\x9f\x98!", b"\xf0\x28\x8c\xbc", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80",
          b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xfe\xff", b"ok \xf0\x9f\x98\x80\xf0\x9f", b"\x80" * 40, bytes(range(256))]


def encodings(package):
    def load(url, expected_hash=None):
        name = url.rsplit("/", 1)[1].replace(".tiktoken", "")
        lines = json.loads((package / "encoders" / f"{name}.json").read_text())["bpe_ranks"].splitlines()
        words = [w for line in lines for w in line.split(" ")[2:]]
        return {base64.b64decode(w): rank for rank, w in enumerate(words)}

    openai_public.load_tiktoken_bpe = load
    return tiktoken.Encoding(**openai_public.o200k_base()), tiktoken.Encoding(**openai_public.cl100k_base())


def random_text(rnd, words):
    alphabet = rnd.choice([
        "aAbB'sStTlLrReEvVmMdDſ ", " \t\n\r\u00a0a1!/", "aAªʰ中ǅ\u0301\u0903 '!s", "019٣½ aZ.", "".join(chr(rnd.randrange(1, 0xD800)) for _ in range(30)) + " '",
        "".join(chr(rnd.choice([rnd.randrange(0x10000, 0x20000), rnd.randrange(0x80, 0x600), 0x20])) for _ in range(30)), None, None,
    ])
    if alphabet is None:
        parts = [rnd.choice(words) for _ in range(rnd.randrange(1, 12))]
        return rnd.choice(["", " ", "\n", "  "]).join(parts)[rnd.randrange(0, 6):]
    return "".join(rnd.choice(alphabet) for _ in range(rnd.randrange(1, 60)))


def texts(rnd, count):
    words = [w for s in SENTENCES for w in s.split(" ")]
    yield from (random_text(rnd, words) for _ in range(count))
    for _ in range(count // 20):  # long pieces, which tiktoken merges by a way of its own, too
        letters = rnd.choice(["ab", "acgt", "abcdefghijklmnopqrstuvwxyz", "的一是不了人我在", "éèê"])
        yield "".join(rnd.choice(letters) for _ in range(rnd.randrange(60, 700)))


def vector(both, text):
    raw = text if isinstance(text, bytes) else None
    if raw is not None:
        text = raw.decode("utf-8", "replace")
    counts = [len(e.encode_ordinary(text)) for e in both]
    return {**({"hex": raw.hex()} if raw is not None else {"text": text}), "o200k": counts[0], "cl100k": counts[1]}


def main():
    both = encodings(pathlib.Path(sys.argv[1]))
    if len(sys.argv) > 2:
        chosen, out = list(texts(random.Random(int(sys.argv[2])), int(sys.argv[3]))), pathlib.Path(sys.argv[4])
        out.write_text("\n".join(json.dumps(vector(both, t)) for t in chosen) + "\n")
        return
    chosen = SENTENCES + LONG + BROKEN + list(texts(random.Random(5), 400))
    lines = ",\n".join(json.dumps(vector(both, t), ensure_ascii=True) for t in chosen)
    (HERE / "vectors.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(chosen)} vectors by tiktoken {tiktoken.__version__}")


main()
