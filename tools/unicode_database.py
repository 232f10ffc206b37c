"""Prints src/text/unicode_database.rs, the tables only `unicodedata` needs; run it with CPython 3.14 (Unicode 16.0)."""

import unicodedata

BIDI = " L LRE LRO R AL RLE RLO PDF EN ES ET AN CS NSM BN B S WS ON LRI RLI FSI PDI".split(" ")
WIDTHS = "F H W Na A N".split()
TAGS = (
    " <font> <noBreak> <initial> <medial> <final> <isolated> <circle> <super> <sub> <vertical> <wide> <narrow> <small> "
    "<square> <fraction> <compat>"
).split(" ")


def rows(items, width=118):
    line = "    "
    for item in items:
        if len(line) + len(item) + 2 > width:
            print(line.rstrip())
            line = "    "
        line += item + ", "
    print(line.rstrip())


def runs(value):
    last = None
    for point in range(0x110000):
        now = value(chr(point))
        if now != last:
            yield point, now
            last = now


def table(name, doc, value):
    found = list(runs(value))
    print(f"\n/// {doc} of the code points from each start on.")
    print(f"#[rustfmt::skip]\npub(super) static {name}: [(u32, u8); {len(found)}] = [")
    rows(f"({start:#x}, {what})" for start, what in found)
    print("];")


def names(name, doc, items):
    print(f"\n/// {doc}\npub(super) const {name}: [&str; {len(items)}] = [")
    rows(f'"{item}"' for item in items)
    print("];")


print(f"//! What Unicode {unicodedata.unidata_version} says for `unicodedata` alone. Made by `tools/unicode_database.py`, not by hand.")
names("BIDI", "The classes of the bidirectional algorithm; unassigned code points have none.", BIDI)
names("WIDTHS", "East Asian widths.", WIDTHS)
names("TAGS", "How a decomposition is meant; a canonical one has no tag.", TAGS)
table("BIDI_RUNS", "The class, an index into [`BIDI`],", lambda c: BIDI.index(unicodedata.bidirectional(c)))
table("WIDTH_RUNS", "The width, an index into [`WIDTHS`],", lambda c: WIDTHS.index(unicodedata.east_asian_width(c)))
table("MIRRORED_RUNS", "Whether mirrored", unicodedata.mirrored)
table("COMBINING_RUNS", "The combining class", unicodedata.combining)

entries, text = [], ""
for point in range(0x110000):
    parts = unicodedata.decomposition(chr(point)).split()
    if parts:
        tag = TAGS.index(parts.pop(0)) if parts[0].startswith("<") else 0
        made = "".join(chr(int(part, 16)) for part in parts)
        at = text.find(made)
        if at < 0:
            at = len(text)
            text += made
        start = len(text[:at].encode())
        entries.append((point, start, len(made.encode()), tag))
print("\n/// Code point, where its decomposition begins in [`DECOMPOSED`], the length there, and the tag.")
print(f"#[rustfmt::skip]\npub(super) static DECOMPOSITIONS: [(u32, u16, u8, u8); {len(entries)}] = [")
rows("({:#x}, {}, {}, {})".format(*entry) for entry in entries)
quoted = "".join(f"\\u{{{ord(c):x}}}" for c in text)
print(f'];\n\n/// The texts of all decompositions.\n#[rustfmt::skip]\npub(super) static DECOMPOSED: &str = "\\')
at = 0
while at < len(text):
    print("".join(f"\\u{{{ord(c):x}}}" for c in text[at : at + 14]) + "\\")
    at += 14
print('";')
