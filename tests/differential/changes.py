"""What CPython 3.14 prints otherwise than 3.13: all that may differ from the native reference.

Each change was checked on 3.14. REWORDED has a name, a pattern for what 3.14 prints, what stands for it here, and why; UNREADY patterns
for what 3.13 prints in its place, where that is not simply the new text without a part; NEW what only 3.14 can print at all.
"""

import re

REWORDED = [
    ("unpacking", r"too many values to unpack \(expected (\d+), got \d+\)", r"too many values to unpack (expected \1)", "says how many there are"),
    ("hashing", r"cannot use '[\w.]+' as a (?:dict key|set element) \(((?:[^()]|\([^()]*\))*)\)", r"\1", "says what the value was needed for"),
    ("with", r"(does not support the (?:asynchronous )?context manager protocol) \(missed __\w+__ method\)", r"\1", "says which method is missing"),
    ("containers", r"is not a container or iterable", "is not iterable", "names both ways to look into something"),
    ("await", r"'([\w.]+)' object can't be awaited", r"object \1 can't be used in 'await' expression", "worded as other errors are"),
    ("index", r"(?:list|deque)\.(?:index|remove)\(x\): x not in (list|deque)", r"NOT-IN-\1", "does not show the value"),
    ("pairs", r"TypeError: object is not iterable", "NOT-PAIRS", "says what the element is not"),
    ("division", r"ZeroDivisionError: division by zero", "ZeroDivisionError: DIVISION", "one text for all divisions"),
    ("characters", r"%c requires an int or a unicode character, not [^|]*?(?=$| \|)", "%c requires int or char", "names what was given"),
    ("arrays", r"array item must be a unicode character, not [^|,]*", "array item must be unicode character", "names what was given"),
    ("clock", r"(hour|minute|second|microsecond|month) must be in (\d+\.\.\d+), not -?\d+", r"\1 must be in \2", "shows the value"),
    ("year", r"year must be in 1\.\.9999, not (-?\d+)", r"year \1 is out of range", "names the range"),
    ("offset", r"(offset must be a timedelta strictly between [^|]*?\))\.?(?=$| \|)", r"\1", "has no full stop"),
    ("separator", r"argument 1 must be a unicode character, not (?:a string of length \d+|str)", "argument 1 must be a unicode character", "says how long it is"),
    ("timestamp", r"argument must be int or float, not (\w+)", r"'\1' object cannot be interpreted as an integer", "names both types"),
    ("constructors", r"TypeError: (?:ZoneInfo\(\)|function) missing required argument 'key'", "TypeError: MISSING-KEY", "says its name"),
    ("variants", r"'([EO])[^'\s]' is a bad directive", r"'\1' is a bad directive", "shows what is behind E and O"),
    ("stray", r"stray % in format", "'%' is a bad directive in format", "sees that nothing is behind it"),
    ("groups", r"(redefinition of group name '\w' as group \d+; was group \d+) at position \d+", r"\1", "strptime reads more for some directives"),
    ("day", r"day -?\d+ must be in range 1\.\.\d+ for month \d+ in year \d+", "day is out of range for month", "names the range"),
    ("wrappers", r"TypeError: (?:__\w+__ )?(expected \d arguments?, got \d+)", r"TypeError: \1", "no space before it, and some say their name"),
    ("fromhex", r"fromhex\(\) argument must be str or bytes-like, not (?:(None)Type)?", r"fromhex() argument must be str, not \1", "takes bytes too"),
    ("power", r"ZeroDivisionError: zero to a negative (?=power|or complex power)", "ZeroDivisionError: POWER ", "names what was raised"),
    ("complex", r"complex\(\) argument (?:'\w+' )?must be a (?:string or a number|real number), not [\w.]+", "COMPLEX", "says which argument"),
    ("places", r"ValueError: range\.index\(x\): x not in range", "NOT-IN-RANGE", "does not show the value"),
    ("makers", r"<slot wrapper '__init__' of 'BaseException' objects>", "<slot wrapper '__init__' of 'Exception' objects>", "Exception has none of its own"),
    ("weekday", r"Invalid weekday: ", "Invalid day: ", "names what it is"),
]
UNREADY = [
    (r"Year is out of range: (-?\d+)", r"year \1 is out of range"),
    (r"TypeError:  (?=expected \d)", "TypeError: "),
    (r"ValueError: [^|]* is not in (list|deque)(?=$| \||,)", r"ValueError: NOT-IN-\1"),
    (r"ValueError: [^|]* is not in range(?=$| \||,)", "NOT-IN-RANGE"),
    (r"ZeroDivisionError: 0\.0 (?:cannot be raised to a negative |to a negative )(?=power|or complex power)", "ZeroDivisionError: POWER "),
    (r"complex\(\) (?:second arg can't be a string|can't take second arg if first is a string|(?:first argument must be a string or|second argument must be) a number, not '[\w.]+')", "COMPLEX"),
    (r"TypeError: cannot convert dictionary update sequence element #\d+ to a sequence", "NOT-PAIRS"),
    (r"ZeroDivisionError: (?:float division by zero|division by zero|integer division or modulo by zero|integer modulo by zero|float floor division by zero|complex division by zero|float modulo by zero|float modulo|float divmod\(\))(?=$| \||\W)", "ZeroDivisionError: DIVISION"),
]  # fmt: skip
NEW = [
    ("truth", r"NotImplemented should not be used in a boolean context", "was a DeprecationWarning"),
    ("resize", r"bytearray\.resize\(", "bytearray.resize"),
    ("views", r"memoryview\.index\(x\)", "memoryview.index and count"),
]


def same(ours, theirs):
    """Whether what aio printed is what 3.13 did, but for what 3.14 changed."""
    if ours == theirs:
        return True
    for _, pattern, replacement, _ in REWORDED:
        ours, theirs = re.sub(pattern, replacement, ours), re.sub(pattern, replacement, theirs)
    for pattern, replacement in UNREADY:
        theirs = re.sub(pattern, replacement, theirs)
    return ours == theirs or any(re.search(pattern, ours) for _, pattern, _ in NEW)
