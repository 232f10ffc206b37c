"""Regular expressions and texts to look through."""

ATOMS = [
    "a", "b", "c", "A", "B", "x", "1", "_", " ", "\\n", "é", "É", "ſ", "K", "ß", "İ", "ı", "日", "\U00010400", "\U00010428",
    ".", "\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\.", "\\x61", "\\u00e9", "\\t", "[ab]", "[^a]", "[^ab]", "[a-c]", "[^a-c1]", "[A-Z]",
    "[\\w-]", "[^\\W]", "[é-ö]", "[\\d_]", "[]a]", "[^]a]", "[a\\-z]", "[\\s\\S]", "[k-s]", "[^k-s]", "[É]", "[\\Wa]",
]  # fmt: skip
ANCHORS = ["^", "$", "\\A", "\\Z", "\\b", "\\B"]
REPEATS = ["*", "+", "?", "*?", "+?", "??", "*+", "++", "?+", "{2}", "{1,2}", "{0,2}?", "{2,}", "{,2}", "{2,3}?", "{1,2}+", "{0}", "{0,0}", "{3}+", "{2,}+", "{1}"]  # fmt: skip
FLAGS = [0, 0, 0, 2, 2, 8, 16, 256, 258, 10, 24, 64]
LETTERS = "aaabbbccABx1_ \n\n.-éÉſKkßsSİıi日\U00010400\U00010428µμ"
NARROW = "aaabbbccABx1_ \n.-kKsSi"


class Pattern:
    """Makes one pattern."""

    def __init__(self, rng, narrow):
        self.rng = rng
        self.groups = 0
        self.closed = []
        self.narrow = narrow

    def atom(self):
        while True:
            atom = self.rng.choice(ATOMS)
            if not self.narrow or atom.isascii() and "\\u" not in atom:
                return atom

    def piece(self, depth, fixed=False):
        rng = self.rng
        roll = rng.random()
        if depth <= 0 or roll < 0.42:
            return self.atom()
        if roll < 0.48:
            return "".join(rng.choice("abcab") for _ in range(rng.randint(2, 3)))
        if roll < 0.53:
            return rng.choice(ANCHORS)
        if roll < 0.70:
            self.groups += 1
            group = self.groups
            named = f"?P<n{group}>" if rng.random() < 0.15 else ""
            body = self.alternatives(depth - 1, fixed)
            self.closed.append(group)
            return f"({named}{body})"
        if roll < 0.78:
            return f"(?:{self.alternatives(depth - 1, fixed)})"
        if roll < 0.82:
            return f"(?>{self.alternatives(depth - 1, fixed)})"
        if roll < 0.86:
            return f"(?{rng.choice('=!')}{self.alternatives(depth - 1)})"
        if roll < 0.90:
            return f"(?<{rng.choice('=!')}{self.alternatives(min(depth - 1, 1), True)})"
        if roll < 0.94 and self.closed:
            return f"\\{rng.choice(self.closed)}" + rng.choice(["", "", "(?:)"])
        if roll < 0.97 and self.groups:
            no = f"|{self.sequence(depth - 1, fixed)}" if rng.random() < 0.7 else ""
            return f"(?({rng.randint(1, self.groups)}){self.sequence(depth - 1, fixed)}{no})"
        return f"(?{rng.choice(['i', '-i', 's', 'm', 'a', 'x', 'i-s'])}:{self.alternatives(depth - 1, fixed)})"

    def sequence(self, depth, fixed=False):
        rng = self.rng
        out = []
        for _ in range(rng.randint(0 if rng.random() < 0.1 else 1, 3)):
            groups = self.groups
            piece = self.piece(depth, fixed)
            if rng.random() < 0.38 and not (fixed and rng.random() < 0.9):
                repeat = rng.choice(REPEATS)
                # CPython forgets to put groups back where an alternative fails within a possessive repetition.
                piece += "*" if repeat[-2:] in ("*+", "++", "?+", "}+") and self.groups > groups else repeat
            out.append(piece)
        return "".join(out)

    def alternatives(self, depth, fixed=False):
        count = self.rng.choice([1, 1, 1, 2, 2, 3])
        return "|".join(self.sequence(depth, fixed) for _ in range(count))


def broken(rng, pattern):
    """A pattern with a mistake, perhaps."""
    at = rng.randint(0, len(pattern))
    return pattern[:at] + rng.choice(["(", ")", "[", "]", "*", "?", "{", "}", "\\", "(?", "(?P<", "|", "+", "{2", "\\8", "\\q", "(?<"]) + pattern[at + rng.randint(0, 1) :]  # fmt: skip


def case(rng):
    narrow = rng.random() < 0.5
    binary = narrow and rng.random() < 0.3
    maker = Pattern(rng, narrow)
    pattern = maker.alternatives(rng.randint(1, 4))
    if rng.random() < 0.08:
        pattern = broken(rng, pattern)
    flags = rng.choice(FLAGS)
    letters = NARROW if narrow else LETTERS
    texts = ["".join(rng.choice(letters) for _ in range(rng.randint(1, 14))) for _ in range(3)]
    if rng.random() < 0.2:
        texts.append("".join(rng.choice("ab") for _ in range(rng.randint(1, 12))))
    if binary:
        pattern = pattern.encode("latin-1")
        texts = [text.encode("latin-1") for text in texts]
        flags = rng.choice([flags & ~256, flags & ~256, flags & ~256 | 4, flags])
    return pattern, flags, texts, rng.randint(0, 3), rng.choice([100, 100, 5, 8]), rng.randint(0, 1 << 30)
