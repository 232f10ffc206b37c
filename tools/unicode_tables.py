"""Prints src/text/unicode_tables.rs from what this Python knows of Unicode; run it with CPython 3.14 (Unicode 16.0)."""

import unicodedata

SHIFT = 7
BLOCK = 1 << SHIFT
CATEGORIES = "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co".split()
FLAGS = "ALPHA DECIMAL DIGIT NUMERIC SPACE PRINTABLE START CONTINUE UPPER LOWER TITLE IGNORABLE SPECIAL".split()


def final_sigma(before):
    return (before + "\u03a3").lower()[-1] == "\u03c2"


def describe(point):
    c = chr(point)
    flags = [
        c.isalpha(), c.isdecimal(), c.isdigit(), c.isnumeric(), c.isspace(), c.isprintable(),
        c.isidentifier(), ("a" + c).isidentifier(), c.isupper(), c.islower(), unicodedata.category(c) == "Lt",
        final_sigma("A" + c) and not final_sigma(" " + c),
    ]
    upper, lower, title, fold = c.upper(), c.lower(), c.title(), c.casefold()
    special = any(len(mapped) > 1 for mapped in (upper, lower, title, fold)) or fold != lower
    deltas = (0, 0, 0)
    if special:
        specials.append((point, upper, lower, title, fold))
    else:
        deltas = tuple(ord(mapped) - point for mapped in (upper, lower, title))
    bits = sum(flag << at for at, flag in enumerate(flags + [special]))
    digit = unicodedata.digit(c, -1)
    number = unicodedata.numeric(c, None)
    if number is not None and number != digit:
        numbers.append((point, number))
    return bits, CATEGORIES.index(unicodedata.category(c)), digit, *deltas


def rows(items, width=118):
    line = "    "
    for item in items:
        if len(line) + len(item) + 2 > width:
            print(line.rstrip())
            line = "    "
        line += item + ", "
    print(line.rstrip())


specials, numbers = [], []
records, blocks, first, second = {}, {}, [], []
for start in range(0, 0x110000, BLOCK):
    block = tuple(records.setdefault(describe(point), len(records)) for point in range(start, start + BLOCK))
    if block not in blocks:
        blocks[block] = len(blocks)
        second.extend(block)
    first.append(blocks[block])
assert len(records) <= 256, "an index into RECORDS is a byte"

print(f"""//! What Unicode {unicodedata.unidata_version} says of each code point. Made by `tools/unicode_tables.py`, not by hand.

/// What one or more code points have in common; letters are this far from their other cases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {{
    pub(super) flags: u16,
    pub(super) category: u8,
    pub(super) digit: i8,
    pub(super) upper: i32,
    pub(super) lower: i32,
    pub(super) title: i32,
}}

/// The upper, lower, title and folded case of a code point, where they aren't one code point each.
pub(super) type Special = (u32, &'static str, &'static str, &'static str, &'static str);
""")
for at, flag in enumerate(FLAGS):
    print(f"pub(super) const {flag}: u16 = 1 << {at};")
print(f"\npub(super) const SHIFT: u32 = {SHIFT};")
print("pub(super) const CATEGORIES: [&str; %d] = [" % len(CATEGORIES))
rows(f'"{name}"' for name in CATEGORIES)
print("];\n\nconst fn record(flags: u16, category: u8, digit: i8, upper: i32, lower: i32, title: i32) -> Record {")
print("    Record { flags, category, digit, upper, lower, title }\n}\n")
print(f"#[rustfmt::skip]\npub(super) static RECORDS: [Record; {len(records)}] = [")
rows("record({}, {}, {}, {}, {}, {})".format(*record) for record in records)
print(f"];\n\n#[rustfmt::skip]\npub(super) static FIRST: [u16; {len(first)}] = [")
rows(map(str, first))
print(f"];\n\n#[rustfmt::skip]\npub(super) static SECOND: [u8; {len(second)}] = [")
rows(map(str, second))
print(f"];\n\n#[rustfmt::skip]\npub(super) static SPECIALS: [Special; {len(specials)}] = [")
quote = lambda text: '"' + "".join(f"\\u{{{ord(c):x}}}" for c in text) + '"'
rows("({:#x}, {})".format(point, ", ".join(map(quote, cases))) for point, *cases in specials)
print(f"];\n\n#[rustfmt::skip]\npub(super) static NUMBERS: [(u32, f64); {len(numbers)}] = [")
rows(f"({point:#x}, {number!r})" for point, number in numbers)
print("];")
