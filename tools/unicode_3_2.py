"""Prints stdlib/_unicode_3_2.aio, how Unicode 3.2 differs from the Unicode of today; run it with CPython 3.14 (Unicode 16.0)."""

import textwrap
import unicodedata

OLD = unicodedata.ucd_3_2_0
PROPERTIES = ("category", "bidirectional", "east_asian_width", "mirrored", "decimal", "decomposition")
HEAD = '''"""Unicode 3.2, as `unicodedata.ucd_3_2_0`: how it differs from today's. Made by tools/unicode_3_2.py."""

import unicodedata

# Code points assigned since: how many there are after those assigned before, in turns, in hexadecimal.
_LATER = """
{later}
"""

# Properties that changed: for each what it was, and the code points.
_CHANGED = {{
{changed}
}}


def _runs():
    starts, at = [], 0
    for length in _LATER.split():
        at += int(length, 16)
        starts.append(at)
    return starts


_starts = _runs()
_was = {{
    name: {{int(point, 16): value for value, points in groups.items() for point in points.split()}} for name, groups in _CHANGED.items()
}}


def _is_later(chr):
    from bisect import bisect_right

    return bisect_right(_starts, ord(chr)) & 1


_needed = object()


class UCD:
    """What one version of Unicode says of characters."""

    __module__ = "unicodedata"
    unidata_version = "3.2.0"

    def _ask(self, name, chr, unassigned):
        now = getattr(unicodedata, name)(chr)
        return unassigned if _is_later(chr) else _was[name].get(ord(chr), now) if name in _was else now

    def category(self, chr, /):
        """The general category of a character."""
        return self._ask("category", chr, "Cn")

    def bidirectional(self, chr, /):
        """The bidirectional class of a character."""
        return self._ask("bidirectional", chr, "")

    def combining(self, chr, /):
        """The canonical combining class of a character."""
        return self._ask("combining", chr, 0)

    def east_asian_width(self, chr, /):
        """The width of a character."""
        return self._ask("east_asian_width", chr, "N")

    def mirrored(self, chr, /):
        """Whether a character is mirrored in text from right to left."""
        return self._ask("mirrored", chr, 0)

    def decomposition(self, chr, /):
        """What a character is made of."""
        return self._ask("decomposition", chr, "")

    def _number(self, name, complaint, chr, default):
        found = getattr(unicodedata, name)(chr, None)
        if name == "decimal":
            found = _was["decimal"].get(ord(chr), found)
        if found is None or _is_later(chr):
            if default is _needed:
                raise ValueError(complaint)
            return default
        return found

    def decimal(self, chr, default=_needed, /):
        """The value of a decimal digit."""
        return self._number("decimal", "not a decimal", chr, default)

    def digit(self, chr, default=_needed, /):
        """The value of a digit: that of today, as CPython has it."""
        return unicodedata.digit(chr) if default is _needed else unicodedata.digit(chr, default)

    def numeric(self, chr, default=_needed, /):
        """The value of a number."""
        return self._number("numeric", "not a numeric character", chr, default)

    def name(self, chr, default=_needed, /):
        """The name of a character."""
        return self._number("name", "no such name", chr, default)

    def lookup(self, name, /):
        """The character of a name."""
        return unicodedata.lookup(name)

    def normalize(self, form, unistr, /):
        """A text in one of its normal forms."""
        unicodedata.normalize(form, "")
        parts, run = [], ""
        old = {old}
        for chr in unistr:
            if _is_later(chr):
                # Nobody knew what it is made of, and it stood apart from what is around it.
                parts += [unicodedata.normalize(form, run), chr]
                run = ""
            else:
                run += old.get(chr, chr)
        return "".join(parts) + unicodedata.normalize(form, run)

    def is_normalized(self, form, unistr, /):
        """Whether a text is in one of its normal forms."""
        return self.normalize(form, unistr) == unistr


ucd_3_2_0 = UCD()
'''


def told(of, name, point):
    ask = getattr(of, name)
    return ask(chr(point), None) if name == "decimal" else ask(chr(point))


def main():
    lengths, last, start = [], False, 0
    changed = {name: {} for name in PROPERTIES}
    made_of = {}
    for point in range(0x110000):
        later = OLD.category(chr(point)) == "Cn" != unicodedata.category(chr(point))
        if later != last:
            lengths.append(point - start)
            start, last = point, later
        if later:
            continue
        for name in PROPERTIES:
            if (was := told(OLD, name, point)) != told(unicodedata, name, point):
                changed[name].setdefault(was, []).append(point)
        if OLD.normalize("NFD", chr(point)) != unicodedata.normalize("NFD", chr(point)):
            made_of[chr(point)] = OLD.normalize("NFD", chr(point))
    rows = []
    for name, groups in changed.items():
        rows.append(f'    "{name}": {{')
        for value, points in groups.items():
            text = " ".join(f"{point:x}" for point in points)
            lines = textwrap.wrap(text, 110)
            rows.append(f"        {value!r}: (")
            rows += [f'            "{line} "' for line in lines]
            rows.append("        ),")
        rows.append("    },")
    later = "\n".join(textwrap.wrap(" ".join(f"{length:x}" for length in lengths), 136))
    print(HEAD.format(later=later, changed="\n".join(rows), old=ascii(made_of)), end="")


main()
