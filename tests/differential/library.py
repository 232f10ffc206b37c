"""Uses of the library: patterns, json, structs, dates, numbers, texts with Unicode and the smaller modules.

Each function takes a `random.Random` and returns the text of one program, which says what happens by calling `log`.
"""

import re

import patterns

LETTERS = "abcABC 12\n\t,.éßİ日\U0001f600ſǅ\x00\x85\u2028ΣσςfiﬁŉÅ"


def text(rng, letters=LETTERS, most=9):
    return "".join(rng.choice(letters) for _ in range(rng.randint(0, most)))


def attempts(imports, sources):
    """A program that tries one expression after the other."""
    lines = [imports] if imports else []
    for source in sources:
        lines.append(f"try:\n    r = {source}\n    log(r)\nexcept Exception as e:\n    log(e)")
    return "\n".join(lines) + "\n"


def several(rng, imports, make, low=2, high=5):
    return attempts(imports, [make() for _ in range(rng.randint(low, high))])


# ---------------------------------------------------------------- re

REPLACEMENTS = ["''", "'<\\\\g<0>>'", "'\\\\1'", "'\\\\2x'", "'\\\\g<n1>'", "'\\\\g<1>'", "'\\\\\\\\'", "'\\\\n'", "'\\\\q'", "'\\\\g<'", "lambda m: m[0] * 2", "'\\\\101'", "'\\\\g<9>'", "'a\\\\0b'", "str.upper", "5", "'\\\\400'", "'\\\\g<a b>'"]


def regexes(rng):
    pattern, flags, texts, pos, endpos, pick = patterns.case(rng)
    subjects = [ascii(t) for t in texts]
    binary = isinstance(pattern, bytes)
    uses = ["p.search({s})", "p.match({s}, {pos}, {end})", "p.fullmatch({s})", "[m.span() for m in p.finditer({s})]", "p.findall({s})", "p.split({s}, {n})", "p.sub({r}, {s})", "p.subn({r}, {s}, {n})", "p.search({s}).expand({r})", "p.search({s}).groupdict()", "p.search({s}).regs", "p.search({s})[{n}]", "p.search({s}).start({n})", "p.groups, p.flags, p.groupindex", "p.search({s}).lastgroup, p.search({s}).lastindex", "p", "re.escape({s})", "re.split({s}, {s})", "p.scanner({s}).search()", "p.search({s}).group(0, {n})", "p.search({s}).groups({n})", "copy.copy(p) is p", "p == re.compile(p.pattern, p.flags)"]
    made = []
    for _ in range(rng.randint(2, 4)):
        use = rng.choice(uses).replace("{r}", rng.choice(REPLACEMENTS) if not binary or rng.random() < 0.1 else "b'<\\\\g<0>>'")
        use = use.replace("{s}", rng.choice(subjects)).replace("{pos}", str(pos)).replace("{end}", str(endpos)).replace("{n}", str(rng.randint(0, 3)))
        made.append(use)
    return f"import re, copy\ntry:\n    p = re.compile({ascii(pattern)}, {flags})\nexcept Exception as e:\n    log(e, getattr(e, 'pos', None), getattr(e, 'lineno', None))\n    raise SystemExit\n" + attempts("", made)


# ---------------------------------------------------------------- json


def json_value(rng, depth):
    roll = rng.random()
    if depth <= 0 or roll < 0.5:
        return rng.choice(["1", "-0", "0.0", "1.5", "1e5", "1E-400", "1e400", "true", "false", "null", '""', '"a"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud800"', '"é"', "NaN", "Infinity", "-Infinity", "12345678901234567890", "-1.0e+3", '"\\n\\/"', '"\\\\"', "0", '"a\\tb"'])
    space = lambda: rng.choice(["", "", " ", "\n", "\t"])
    if roll < 0.75:
        return "[" + space() + ("," + space()).join(json_value(rng, depth - 1) for _ in range(rng.choice([0, 1, 2, 3]))) + space() + "]"
    return "{" + space() + ("," + space()).join(f'"{rng.choice("abc")}"{space()}:{space()}{json_value(rng, depth - 1)}' for _ in range(rng.choice([0, 1, 2]))) + space() + "}"


def python_value(rng, depth):
    roll = rng.random()
    if depth <= 0 or roll < 0.5:
        return rng.choice(["1", "-1.5", "True", "None", "'a'", "'é\\n'", "'\\u2028'", "'\\ud800'", "1e100", "float('nan')", "float('inf')", "2**70", "b'x'", "{1}", "I(3)", "F(1.5)", "S('s')", "Attr()", "''", "'\\x7f\\x1f'", "1j", "-0.0", "'\\U0001f600'", "Color.RED", "P(1, 2)"])
    if roll < 0.75:
        return rng.choice(["[{}]", "({},)", "L([{}])", "iter([{}])"]).format(", ".join(python_value(rng, depth - 1) for _ in range(rng.choice([0, 1, 2, 3]))) or "0")
    return "{" + ", ".join(f"{rng.choice(['1', '2.5', 'True', 'None', repr('a'), repr('b'), repr('é'), '(1,)', 'I(2)', 'S(\"k\")'])}: {python_value(rng, depth - 1)}" for _ in range(rng.choice([0, 1, 2, 3]))) + "}"


def jsons(rng):
    def make():
        roll = rng.random()
        if roll < 0.45:
            source = json_value(rng, 3)
            if rng.random() < 0.45:
                at = rng.randint(0, len(source))
                source = source[:at] + rng.choice(["", ",", "]", "}", "[", "{", '"', "\\", "x", " ", "\n", "-", ".", "e", "\\u12", "nul", ":", "'", "\ufeff", "\x01", "01"]) + source[at + rng.randint(0, 2) :]
            extra = rng.choice(["", "", "", ", parse_float=str", ", parse_int=float", ", parse_constant=lambda c: 'C' + c", ", object_hook=lambda d: sorted(d)", ", object_pairs_hook=list", ", strict=False", ", cls=json.JSONDecoder"])
            source = ascii(source)
            if rng.random() < 0.15:
                source = rng.choice([f"{source}.encode('utf-8', 'surrogatepass')", f"{source}.encode('utf-16', 'surrogatepass')", f"bytearray({source}.encode('utf-8', 'surrogatepass'))"])
            if rng.random() < 0.08:
                return f"json.JSONDecoder().raw_decode({source}{rng.choice(['', ', 1', ', -1'])})"
            return f"json.loads({source}{extra})"
        options = rng.sample(["indent=2", "indent=None", "indent='--'", "indent=0", "sort_keys=True", "ensure_ascii=False", "separators=(',', ':')", "separators=(', ', '=')", "allow_nan=False", "default=str", "default=lambda o: [repr(o)]", "default=lambda o: o", "skipkeys=True", "check_circular=False"], rng.choice([0, 0, 1, 1, 2]))
        options = list({option.split("=")[0]: option for option in options}.values())
        call = f"json.dumps({', '.join([python_value(rng, 3), *options])})"
        if rng.random() < 0.15:
            call = f"list(json.JSONEncoder({', '.join(options)}).iterencode({python_value(rng, 3)}))"
        return call

    return several(rng, "import json, enum, collections\nclass Color(enum.Enum): RED = 1\nP = collections.namedtuple('P', 'x y')", make)


# ---------------------------------------------------------------- struct


def structs(rng):
    # Complex numbers are 3.14's, whose build has other native sizes: programs with them use standard ones throughout.
    has_complex = rng.random() < 0.2

    def form():
        order = rng.choice(["<", ">", "=", "!"] if has_complex else ["", "", "<", ">", "=", "!", "@"])
        letters = "cbB?hHiIlLqQnNefdspPxx" + ("F" if has_complex else "")
        parts = [rng.choice(["", "", "", "2", "3", "0", "10", " "]) + rng.choice(letters) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
        return order + "".join(parts)

    values = ["0", "1", "-1", "255", "256", "-129", "65536", "2**31", "2**63", "2**64", "1.5", "1e40", "float('nan')", "float('inf')", "b'a'", "b'abc'", "b''", "'a'", "None", "True", "Idx(3)", "bytearray(b'q')", "Fl()", "70000.0", "0.1", "1e-8"]

    def make():
        fmt = repr(form())
        roll = rng.random()
        if roll < 0.5:
            return f"struct.pack({fmt}{''.join(', ' + rng.choice(values) for _ in range(rng.choice([0, 1, 1, 2, 3])))})"
        if roll < 0.75:
            return f"struct.unpack({fmt}, {bytes(rng.getrandbits(8) for _ in range(rng.choice([0, 1, 2, 4, 8, 12, 16])))!r})"
        if roll < 0.82:
            return f"struct.calcsize({fmt})"
        if roll < 0.88:
            return f"struct.unpack_from({fmt}, {bytes(rng.getrandbits(8) for _ in range(24))!r}, {rng.randint(-9, 26)})"
        if roll < 0.94:
            return f"list(struct.iter_unpack({fmt}, {bytes(rng.getrandbits(8) for _ in range(rng.choice([0, 8, 12, 16])))!r}))"
        return f"(lambda b: (struct.pack_into({fmt}, b, {rng.randint(-9, 12)}{''.join(', ' + rng.choice(values) for _ in range(rng.choice([0, 1, 1, 2])))}), b))(bytearray(12))"

    return several(rng, "import struct", make)


# ---------------------------------------------------------------- dates


def date_text(rng):
    year, month, day = rng.choice([1, 1970, 1999, 2000, 2024, 2026, 9999, rng.randint(1, 9999)]), rng.randint(1, 12), rng.randint(1, 28)
    hour, minute, second, micro = rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59), rng.choice([0, 1, 500000, 999999, rng.randint(0, 999999)])
    date = rng.choice([f"{year:04}-{month:02}-{day:02}", f"{year:04}{month:02}{day:02}", f"{year:04}-W{rng.randint(0, 54):02}-{rng.randint(0, 8)}", f"{year:04}W{rng.randint(1, 53):02}{rng.randint(1, 7)}", f"{year:04}-W{rng.randint(1, 53):02}", f"{year:04}-{month:02}"])
    time = rng.choice([f"{hour:02}:{minute:02}:{second:02}", f"{hour:02}{minute:02}{second:02}", f"{hour:02}:{minute:02}", f"{hour:02}", f"{hour:02}:{minute:02}:{second:02}.{micro:06}", f"{hour:02}:{minute:02}:{second:02}.{str(micro)[:3]}", f"{hour:02}:{minute:02}:{second:02},{micro:06}", f"{hour:02}:{minute:02}:{second:02}.{micro}1234", f"T{hour:02}{minute:02}"])
    zone = rng.choice(["", "", "", "Z", "+00:00", "-05:30", "+0530", "+05", "+23:59:59", "+05:30:15.123456", "-24:00", "+5:30", "z", "+00:00:00.5"])
    out = rng.choice([date, time + zone, date + rng.choice(["T", " ", "t", "x"]) + time + zone])
    if rng.random() < 0.15:
        at = rng.randint(0, len(out))
        out = out[:at] + rng.choice(["", "-", ":", "T", "0", "é", " ", "+", "W", "٣", "\ud800"]) + out[at + rng.randint(0, 2) :]
    return ascii(out)


DIRECTIVES = ["%Y", "%m", "%d", "%H", "%M", "%S", "%f", "%z", "%Z", "%j", "%U", "%W", "%w", "%a", "%A", "%b", "%B", "%p", "%I", "%y", "%%", "%c", "%x", "%X", "%G", "%V", "%u", "%:z", "%C", "%D", "%F", "%T", "%R", "%e", "%h", "%n", "%t", "%k", "%l", "%r", "%s", "%g", "%q", "%", "%é", "%-d", "%E", "%P"]
PARSED = [d for d in DIRECTIVES if d not in ("%C", "%D", "%F", "%T", "%R", "%e", "%h", "%n", "%t", "%k", "%l", "%r", "%s", "%g", "%-d", "%P")]
PORTABLE = {"%Y", "%m", "%d", "%H", "%M", "%S", "%f", "%z", "%Z", "%j", "%U", "%W", "%w", "%a", "%A", "%b", "%B", "%p", "%I", "%y", "%%", "%G", "%V", "%u", "%:"}
ZONES = ["None", "timezone.utc", "timezone(timedelta(hours=5, minutes=30))", "timezone(timedelta(seconds=-3661), 'X')", "timezone(-timedelta(hours=23, minutes=59))", "Odd()", "ZoneInfo('Europe/Berlin')", "ZoneInfo('America/New_York')"]


def moment(rng):
    number = lambda low, high: str(rng.choice([low, high, rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)]))
    date = f"{number(1, 9999)}, {number(1, 12)}, {number(1, 29)}"
    clock = f"{number(0, 23)}, {number(0, 59)}, {number(0, 59)}, {rng.choice(['0', number(0, 999999)])}"
    zone = rng.choice(ZONES) if rng.random() < 0.5 else "None"
    fold = rng.choice(["", "", "", ", fold=1"])
    kind = rng.random()
    if kind < 0.25:
        return f"date({date})"
    if kind < 0.4:
        return f"time({clock}, {zone}{fold})"
    if kind < 0.6:
        return f"timedelta({rng.choice([number(-1000, 1000), '999999999', '-999999999', '1.5', '0', '1e-7'])}, {rng.choice([number(-90000, 90000), '0', '0.1'])}, {rng.choice([number(-2000000, 2000000), '0', '0.5', '1.5'])})"
    if kind < 0.65:
        return rng.choice(ZONES)
    return f"datetime({date}, {clock}, {zone}{fold})"


MOMENT_USES = ["{x}", "str({x})", "{x} + {y}", "{x} - {y}", "{x} < {y}", "{x} == {y}", "{x}.isoformat()", "{x}.isoformat({sep})", "{x}.isoformat(timespec={spec})", "{x}.replace({rep})", "{x}.strftime({fmt})", "{x}.timetuple()", "{x}.utctimetuple()", "{x}.toordinal()", "{x}.weekday()", "{x}.isocalendar()", "{x}.ctime()", "{x}.astimezone({z})", "{x}.timestamp()", "{x}.utcoffset()", "{x}.dst()", "{x}.tzname()", "{x}.date()", "{x}.time()", "{x}.timetz()", "{x}.total_seconds()", "{x} * {k}", "{x} / {k}", "{x} // {k}", "{x} % {y}", "divmod({x}, {y})", "abs({x})", "-{x}", "bool({x})", "{x} // {y}", "{x} / {y}", "{x}.days, {x}.seconds, {x}.microseconds", "format({x}, {fmt})", "f'{{x}}'", "datetime.combine({x}, {y})", "{x}.isoweekday()", "hash({x}) == hash({y})", "pickle.loads(pickle.dumps({x})) == {x}", "copy.copy({x})", "{x}.max, {x}.min, {x}.resolution", "date.fromisocalendar({n}, {n}, {n})", "date.fromordinal({k})", "datetime.fromtimestamp({k}, {z})", "date.fromtimestamp({k})", "timezone({x})", "timezone({x}, 'N')", "{x}.fromutc({y})", "{x}.utcoffset({y})", "{x}.tzname({y})", "sorted([{x}, {y}])", "repr({x})", "{x}.fold", "{x}.tzinfo", "{x}.year, {x}.hour", "date.fromisoformat({d})", "datetime.fromisoformat({d})", "time.fromisoformat({d})", "datetime.strptime({x}.strftime({pf}), {pf})", "datetime.strptime({t}, {pf})", "date({n}, {n}, {n})", "time({n}, {n})", "datetime({n}, {n}, {n}, {n})", "timedelta({k}, {k}, {k}, {k}, {k}, {k}, {k})", "date.fromisoformat({d})", "datetime.fromisoformat({d})", "time.fromisoformat({d})"]  # fmt: skip


def dates(rng):
    def make():
        use = rng.choice(MOMENT_USES)
        fill = {
            "{x}": lambda: moment(rng),
            "{y}": lambda: moment(rng),
            "{sep}": lambda: rng.choice(["' '", "'é'", "''", "'ab'", "5"]),
            "{spec}": lambda: rng.choice(["'auto'", "'hours'", "'minutes'", "'seconds'", "'milliseconds'", "'microseconds'", "'x'", "None"]),
            "{rep}": lambda: rng.choice(["", "year=2023", "day=31", "hour=25", "month=2", "tzinfo=None", "fold=1", "microsecond=5", "year='a'", "1, 2, 3", "day=0", "second=60"]),
            "{fmt}": lambda: ascii("".join(rng.choice([*DIRECTIVES, "-", ":", " ", "x", "é"]) for _ in range(rng.randint(0, 5))).replace("%s", "").replace("%E", "")),
            "{z}": lambda: rng.choice(ZONES),
            "{k}": lambda: rng.choice(["0", "1", "-1", "3", "2.5", "-0.5", "10**9", "86400", "1e-6", "10**12", "float('nan')", "'a'", "0.1", "738000", "1e10", "-62135596800", "253402300800", "float('inf')"]),
            "{n}": lambda: rng.choice(["1", "2", "2024", "0", "13", "53", "29", "31", "-1", "9999", "10000", "'a'", "1.0", "Idx(2)", "7"]),
            "{d}": lambda: date_text(rng),
            "{pf}": lambda: ascii("".join(rng.choice(PARSED) + rng.choice(["-", " ", "", ":"]) for _ in range(rng.randint(1, 4)))),
            "{t}": lambda: rng.choice(["'2024-02-29'", "'12:30'", "'Mon Jan  1 00:00:00 2024'", "'01/02/24'", "'2024 60'", "'pm 11'", "'Tuesday'", "'+05:30'", "'UTC'", "'2024-W05-1'", "'  2024'", "'99'", "'2024 12 1'", "'31 Feb'", "'-0530'", "'Z'", "'123456'", "'1'"]),
        }
        for key, value in fill.items():
            if key == "{pf}":
                use = use.replace(key, value())
            while key in use:
                use = use.replace(key, value(), 1)
        if set(re.findall("%.?", use)) - PORTABLE:
            # What C's library makes of these in early years, 3.14 pads in part: its build for WebAssembly has another such library.
            use = re.sub(r"\b(date|datetime)\((\d{1,3}),", lambda found: f"{found[1]}({1000 + int(found[2])},", use)
        return use

    return several(rng, "import pickle, copy\nfrom datetime import *\nfrom zoneinfo import ZoneInfo\nclass Odd(tzinfo):\n    def utcoffset(self, when): return timedelta(minutes=7)\n    def dst(self, when): return timedelta(minutes=1)\n    def tzname(self, when): return 'odd%H'\n    def __repr__(self): return 'Odd()'", make)


# ---------------------------------------------------------------- decimal, fractions, math

DECIMALS = ["0", "-0", "1", "-1", "1.5", "2", "3", "10", "0.1", "-7", "1E+5", "1E-5", "123.456", "NaN", "sNaN", "Infinity", "-Infinity", "NaN123", "9.99999999", "9E+999", "9E-999", "0E+3", "0.00", "-0E-5", "12345678901234567890.12345", "0.5", "100", "1e3", "999999999", "5E-324"]
DECIMAL_ONE = ["+{x}", "-{x}", "abs({x})", "{x}.sqrt()", "{x}.exp()", "{x}.ln()", "{x}.log10()", "{x}.normalize()", "{x}.to_integral_value()", "{x}.to_integral_exact()", "{x}.adjusted()", "{x}.as_tuple()", "{x}.as_integer_ratio()", "int({x})", "float({x})", "str({x})", "repr({x})", "(lambda v: v.is_qnan() or hash(v))({x})", "bool({x})", "{x}.is_nan(), {x}.is_zero(), {x}.is_signed(), {x}.is_finite(), {x}.is_normal(), {x}.is_subnormal(), {x}.is_canonical()", "{x}.to_eng_string()", "{x}.logb()", "{x}.next_plus()", "{x}.next_minus()", "{x}.number_class()", "{x}.radix()", "round({x})", "round({x}, {n})", "math.floor({x})", "math.ceil({x})", "{x}.copy_abs(), {x}.copy_negate()", "{x}.logical_invert()", "{x}.conjugate(), {x}.real, {x}.imag", "complex({x})", "math.trunc({x})", "format({x}, {f})", "f'{{x}:{g}}'", "copy.copy({x})", "pickle.loads(pickle.dumps({x}))", "'%s %r' % ({x}, {x})", "'%.3f' % {x}", "'%d' % {x}", "Fraction({x})"]  # fmt: skip
DECIMAL_TWO = ["{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / {y}", "{x} // {y}", "{x} % {y}", "{x} ** {z}", "divmod({x}, {y})", "{x} < {y}", "{x} == {y}", "{x} >= {y}", "{x}.compare({y})", "{x}.compare_total({y})", "{x}.compare_signal({y})", "{x}.max({y})", "{x}.min({y})", "{x}.max_mag({y})", "{x}.quantize({y})", "{x}.quantize({y}, rounding={r})", "{x}.remainder_near({y})", "{x}.same_quantum({y})", "{x}.scaleb({y})", "{x}.shift({y})", "{x}.rotate({y})", "{x}.copy_sign({y})", "{x}.next_toward({y})", "{x}.fma({y}, {y})", "pow({x}, {z}, {y})", "{x}.logical_and({y})", "{x} + 1", "{x} + 1.5", "{x} == 1.5", "2 * {x}", "{x} < 0.5", "{x} == Fraction(1, 2)", "{x}.max_mag({y})", "sum([{x}, {y}])", "max({x}, {y})", "{x}.compare_total_mag({y})", "statistics.mean([{x}, {y}])"]  # fmt: skip
ROUNDINGS = ["ROUND_UP", "ROUND_DOWN", "ROUND_CEILING", "ROUND_FLOOR", "ROUND_HALF_UP", "ROUND_HALF_DOWN", "ROUND_HALF_EVEN", "ROUND_05UP", "'x'"]


def decimal_text(rng):
    if rng.random() < 0.5:
        return f"Decimal('{rng.choice(DECIMALS)}')"
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 12)))
    at = rng.randint(0, len(digits))
    return f"Decimal('{rng.choice(['', '-', '+'])}{digits[:at]}.{digits[at:] or '0'}{rng.choice(['', '', 'E+3', 'e-7', 'E10'])}')"


def number_spec(rng):
    return rng.choice(["", "", "<", ">", "^", "=", "*^"]) + rng.choice(["", "", "+", "-", " "]) + rng.choice(["", "", "", "z"]) + rng.choice(["", "", "", "#"]) + rng.choice(["", "", "0"]) + rng.choice(["", "8", "20"]) + rng.choice(["", "", ",", "_"]) + rng.choice(["", ".0", ".2", ".5", ".30"]) + rng.choice(["", "f", "e", "g", "%", "E", "G", "F", "n", "d", "s"])


def decimals(rng):
    def make():
        roll = rng.random()
        if roll < 0.08:
            source = "".join(rng.choice("0123456789.eE+-_ naNiInfs٣") for _ in range(rng.randint(0, 6)))
            return f"Decimal({source!r})" if rng.random() < 0.7 else f"Decimal({rng.choice(['1.5', '0.1', '(0, (1, 2), -1)', '(1, (), 0)', '(0, (1,), %r)' % 'F', '(2, (1,), 0)', '[0, [1], 2]', 'None', 'True', '1j', 'float(%r)' % 'nan', 'Fraction(1, 2)', '(0, (10,), 0)'])})"
        use = rng.choice(DECIMAL_ONE if roll < 0.5 else DECIMAL_TWO)
        for key in ("{x}", "{y}"):
            while key in use:
                use = use.replace(key, decimal_text(rng) if key == "{x}" or rng.random() < 0.9 else rng.choice(["2", "Fraction(1, 3)", "'1'", "None", "1.5"]), 1)
        return use.replace("{z}", rng.choice(["2", "-1", "0", "Decimal('0.5')", "Decimal('2')", "Decimal('-3')", "Decimal('NaN')", "3", "Decimal('1.5')"])).replace("{n}", rng.choice(["0", "1", "-1", "5", "None", "'a'"])).replace("{r}", rng.choice(ROUNDINGS)).replace("{f}", repr(number_spec(rng).replace('_', ','))).replace("{g}", number_spec(rng).replace("_", ","))

    context = rng.choice(["", "", "", f"getcontext().prec = {rng.choice([1, 2, 5, 9, 50])}", f"getcontext().rounding = {rng.choice(ROUNDINGS[:-1])}", "getcontext().traps[Inexact] = True", "getcontext().traps[DivisionByZero] = False; getcontext().traps[InvalidOperation] = False", "getcontext().Emax = 10; getcontext().Emin = -10; getcontext().prec = 5", "setcontext(ExtendedContext.copy())", "setcontext(BasicContext.copy())", "getcontext().clamp = 1", "getcontext().traps[FloatOperation] = True", "getcontext().capitals = 0"])
    return several(rng, "import math, copy, pickle, statistics\nfrom decimal import *\nfrom fractions import Fraction\nsetcontext(Context(prec=28, rounding=ROUND_HALF_EVEN, Emin=-999999, Emax=999999, capitals=1, clamp=0, flags=[], traps=[InvalidOperation, DivisionByZero, Overflow]))\n" + context, make) + "log(getcontext())\n"


def fraction_text(rng):
    return rng.choice([f"Fraction({rng.randint(-20, 20)}, {rng.randint(1, 30)})", f"Fraction({rng.randint(-5, 5)})", "Fraction(0)", "Fraction(10**20, 3)", f"Fraction({rng.uniform(-3, 3):.3f})", "Fraction('1.25')", "Fraction('-3/7')", f"Fraction('{rng.randint(0, 99)}e{rng.randint(-3, 3)}')", "Fraction(1, 10**30)", "Fraction(7, 2)"])


FRACTION_USES = ["{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / {y}", "{x} // {y}", "{x} % {y}", "divmod({x}, {y})", "{x} ** {z}", "{z} ** {x}", "{x} < {y}", "{x} == {y}", "{x} >= {y}", "round({x})", "round({x}, {n})", "math.floor({x}), math.ceil({x}), math.trunc({x})", "int({x}), float({x}), bool({x})", "str({x}), repr({x})", "{x}.limit_denominator({k})", "{x}.limit_denominator()", "hash({x})", "format({x}, {f})", "{x}.as_integer_ratio(), {x}.is_integer()", "-{x}, +{x}, abs({x})", "complex({x})", "{x} + 1j", "{x} * 2.5", "{x} + Decimal(1)", "Fraction({a})", "Fraction({a}, {b})", "Fraction.from_float({b})", "Fraction.from_decimal({b})", "{x}.numerator = 1", "max({x}, {y}, {b})", "sum([{x}, {y}])", "statistics.median([{x}, {y}])", "copy.deepcopy({x})", "{x}.real, {x}.imag, {x}.conjugate()", "pow({x}, {z}, {b})", "f'{{x}:{g}}'", "sorted([{x}, {y}, 0.5])"]  # fmt: skip


def fractions(rng):
    def make():
        use = rng.choice(FRACTION_USES).replace("{x}.numerator = 1", "setattr({x}, 'numerator', 1)")
        for key in ("{x}", "{y}"):
            while key in use:
                use = use.replace(key, fraction_text(rng) if key == "{x}" or rng.random() < 0.7 else rng.choice(["2", "0", "0.5", "None", "'a'", "True", "1j", "Decimal(1)", "float('nan')", "float('inf')", "10**30"]), 1)
        for key, pool in {"{z}": ["2", "-1", "0", "0.5", "Fraction(1, 2)", "-3", "Fraction(2)", "'a'"], "{n}": ["0", "1", "-1", "3", "None"], "{k}": ["1", "10", "100", "0", "-1", "7"], "{a}": ["'1/3'", "' 1/2 '", "'1 / 2'", "'0x1'", "'1/0'", "'1_0/3'", "'a'", "''", "'1.5e3'", "'-.5'", "'.'", "'1/-2'", "1.5", "float('nan')", "Decimal('1.1')", "None", "Fraction(1, 2)", "'٣/٤'", "'+1'", "'1e400'", "1j", "'nan'", "True"], "{b}": ["1", "0", "2.5", "'a'", "Fraction(1, 3)", "None", "Decimal('0.1')", "float('inf')"], "{f}": [repr(number_spec(rng))], "{g}": [number_spec(rng)]}.items():  # fmt: skip
            while key in use:
                use = use.replace(key, rng.choice(pool), 1)
        return use

    return several(rng, "import math, copy, statistics\nfrom decimal import Decimal\nfrom fractions import Fraction", make)


# ---------------------------------------------------------------- texts

TEXT_USES = ["x.upper()", "x.lower()", "x.title()", "x.capitalize()", "x.casefold()", "x.swapcase()", "x.split()", "x.splitlines(True)", "x.strip()", "x.isalpha(), x.isdigit(), x.isdecimal(), x.isnumeric(), x.isalnum()", "x.isupper(), x.islower(), x.istitle(), x.isspace(), x.isidentifier(), x.isprintable(), x.isascii()", "repr(x), ascii(x)", "x.encode({e}, {h})", "x.encode({e})", "x.encode({e}, 'surrogatepass').decode({e}, {h})", "{b}.decode({e}, {h})", "{b}.decode({e})", "unicodedata.normalize({n}, x)", "[unicodedata.category(c) for c in x]", "[unicodedata.name(c, None) for c in x]", "[unicodedata.bidirectional(c) + unicodedata.east_asian_width(c) + str(unicodedata.combining(c)) for c in x]", "[unicodedata.numeric(c, -1) for c in x]", "unicodedata.is_normalized({n}, x)", "x.find(y), x.rfind(y), x.count(y), x.index(y)", "x.replace(y, '<>')", "x.partition(y), x.rpartition(y)", "x.split(y)", "x.rsplit(y, 1)", "y.join(x)", "x < y, x == y, x + y", "x[::-1], x[1:], x[:2], x[-1:]", "x.startswith(y), x.endswith(y)", "x.strip(y), x.lstrip(y), x.rstrip(y)", "x.translate(str.maketrans(x, x[::-1]))", "x.translate({ord(c): y for c in x[:2]})", "x.expandtabs({w})", "x.center({w}, '*'), x.ljust({w}), x.zfill({w})", "int(x)", "float(x)", "complex(x)", "x.removeprefix(y), x.removesuffix(y)", "hash(x)", "sorted(x), sorted(set(x))", "'%5s|%-5s|%.2s|%r|%a' % (x, x, x, x, x)", "f'{x:>8}|{x:.2}|{x:^9}|{x!a:*<12}'", "x.format(1, 2, a=3)", "textwrap.wrap(x, {w} or 1)", "textwrap.fill(x * 3, {w})", "textwrap.dedent(x)", "textwrap.indent(x, '> ')", "textwrap.shorten(x * 2, {w})", "html.escape(x)", "html.unescape(x)", "urllib.parse.quote(x, errors='replace')", "urllib.parse.quote_plus(x, y)", "urllib.parse.unquote(x)", "urllib.parse.urlsplit(x)", "urllib.parse.parse_qs(x)", "shlex.split(x)", "shlex.quote(x)", "base64.b64encode(x.encode('utf-8', 'replace'))", "base64.b64decode(x)", "base64.b32encode(x.encode('utf-8', 'replace'))", "base64.b85encode(x.encode('utf-8', 'replace'))", "base64.b64decode(x, validate=True)", "binascii.unhexlify(x)", "binascii.hexlify(x.encode('utf-8', 'replace'), '-')", "bytes.fromhex(x)", "string.Template(x).substitute(a=1)", "string.Template(x).safe_substitute(a=1)", "list(string.Formatter().parse(x))", "string.capwords(x)", "ast.literal_eval(x)", "list(csv.reader(x.split('|')))", "difflib.get_close_matches(x, [y, 'abc', 'aBc'])", "list(difflib.ndiff([x], [y]))", "difflib.SequenceMatcher(None, x, y).ratio()", "fnmatch.fnmatch(x, y)", "fnmatch.translate(x)", "re.escape(x)", "re.split('\\\\W', x)", "re.findall('\\\\w+', x)", "re.sub('(?i)[a-zß]', '.', x)", "os.path.join(x, y), os.path.split(x), os.path.splitext(x)", "os.path.normpath(x)", "pathlib.PurePosixPath(x).parts", "pathlib.PurePosixPath(x) / y", "ipaddress.ip_address(x)", "uuid.UUID(x)", "tomllib.loads(x)", "configparser.RawConfigParser().read_string(x)", "codecs.encode(x, 'rot13')", "codecs.escape_decode(x)", "zlib.crc32(x.encode('utf-8', 'replace'))", "hashlib.md5(x.encode('utf-8', 'replace')).hexdigest()", "quopri.encodestring(x.encode('utf-8', 'replace'))", "urllib.parse.urljoin(x, y)", "xml.sax.saxutils.escape(x)", "email.utils.parseaddr(x)", "http.cookies.SimpleCookie(x)", "pprint.pformat([x, y] * 3, width={w})", "list(x), tuple(y)", "keyword.iskeyword(x)", "io.StringIO(x).readlines()", "list(io.StringIO(x, newline=None))", "io.StringIO(x, newline='').readline()", "list(io.TextIOWrapper(io.BytesIO(x.encode('utf-8', 'replace'))))"]  # fmt: skip
SHAPES = [LETTERS, LETTERS, "aA=/+-_09 \n", "{}[]!:0a.% ", "$ab{}$ ", "'\"\\ab #;\n", "http:/a?b=c&#.%41@", "1.:0fa/2", "[a]\n=1\"'#:,", "(1, [2]'\"){}:-+j.\n", "<&>;#x1", "a.b/..//*?[!]", "\u0300\u0301e\u0327\uac00각가ﬀ²½", "\ud800\udc00a", "0123456789_. +-eE", "\u0660\u0967٣.1", "%aA+ 0f", "a,b|\"c\"'\r\n"]


def texts(rng):
    letters = rng.choice(SHAPES)
    x = text(rng, letters, 12)
    y = x[(at := rng.randint(0, len(x))) : at + rng.randint(0, 2)] if rng.random() < 0.6 else text(rng, letters, 3)
    uses = []
    for _ in range(rng.randint(2, 5)):
        raw = bytes(rng.choice([rng.getrandbits(8), rng.choice(b"abc\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80\xff\xfe+-AGE")]) for _ in range(rng.randint(0, 8)))
        use = rng.choice(TEXT_USES).replace("{e}", rng.choice(["'utf-8'", "'ascii'", "'latin-1'", "'utf-16'", "'utf-32-be'", "'cp1252'", "'utf-7'", "'unicode_escape'", "'raw_unicode_escape'", "'utf-8-sig'", "'punycode'", "'idna'", "'cp437'", "'utf-16-le'", "'nope'", "'koi8-r'", "'utf-16'"])).replace("{h}", rng.choice(["'strict'", "'ignore'", "'replace'", "'backslashreplace'", "'surrogateescape'", "'surrogatepass'", "'xmlcharrefreplace'", "'namereplace'", "'nope'"])).replace("{n}", rng.choice(["'NFC'", "'NFD'", "'NFKC'", "'NFKD'", "'X'"])).replace("{w}", str(rng.randint(0, 14))).replace("{b}", repr(raw))  # fmt: skip
        if use.startswith(("binascii.h",)):
            use = use.replace("'-'", rng.choice(["'-'", "'-', 2", "'-', -2"]))
        uses.append(use)
    modules = sorted({name for use in uses for name in MODULES if name + "." in use})
    return attempts(("import " + ", ".join(modules) + "\n" if modules else "") + f"x = {ascii(x)}; y = {ascii(y)}", uses)


MODULES = ["unicodedata", "textwrap", "html", "urllib.parse", "shlex", "base64", "binascii", "string", "ast", "csv", "difflib", "fnmatch", "re", "os.path", "pathlib", "ipaddress", "uuid", "tomllib", "configparser", "codecs", "zlib", "hashlib", "quopri", "xml.sax.saxutils", "email.utils", "http.cookies", "pprint", "keyword", "io"]

# ---------------------------------------------------------------- iterators and functions

ITERTOOLS = ["accumulate({i})", "accumulate({i}, {f2})", "accumulate({i}, initial={v})", "batched({i}, {n})", "batched({i}, {n}, strict=True)", "chain({i}, {i})", "chain.from_iterable({i})", "combinations({i}, {n})", "combinations_with_replacement({i}, {n})", "compress({i}, {i})", "islice(count({v}, {v}), 4)", "islice(cycle({i}), 7)", "dropwhile({f}, {i})", "filterfalse({f}, {i})", "[(k, list(g)) for k, g in groupby({i}, {f})]", "groupby({i})", "islice({i}, {n})", "islice({i}, {n}, {n}, {n})", "islice({i}, {v}, {v})", "pairwise({i})", "permutations({i}, {n})", "product({i}, {i})", "product({i}, repeat={n})", "repeat({v}, {n})", "starmap({f2}, {i})", "takewhile({f}, {i})", "[list(t) for t in tee({i}, {n})]", "zip_longest({i}, {i}, fillvalue={v})", "zip({i}, {i}, strict=True)", "map({f2}, {i}, {i})", "functools.reduce({f2}, {i})", "functools.reduce({f2}, {i}, {v})", "heapq.nsmallest({n}, {i})", "heapq.nlargest({n}, {i}, key={f})", "heapq.merge({i}, {i})", "bisect.bisect({i}, {v})", "bisect.bisect_left({i}, {v}, key={f})", "sorted({i}, key=functools.cmp_to_key({f2}))", "operator.itemgetter({v}, {v})({i})", "operator.attrgetter('real', 'a.b')({v})", "operator.methodcaller('count', {v})({i})", "operator.index({v})", "operator.concat({i}, {i})", "statistics.mean({i})", "statistics.median({i})", "statistics.mode({i})", "statistics.stdev({i})", "statistics.quantiles({i}, n={n})", "statistics.multimode({i})", "statistics.variance({i})", "statistics.fmean({i}, {i})", "statistics.geometric_mean({i})", "statistics.harmonic_mean({i})", "math.prod({i})", "math.fsum({i})", "math.dist({i}, {i})", "math.sumprod({i}, {i})", "math.gcd(*{i})", "random.Random({n} or 0).choices({i}, k=3)", "random.Random({n} or 0).sample({i}, {n})", "random.Random(1).shuffle({i})", "random.Random(5).choice({i})", "random.Random(2).randrange({n}, {n})", "random.Random(3).gauss({v}, {v})", "collections.Counter({i}).most_common({n})", "collections.ChainMap({d}, {d})[{v}]", "list(collections.ChainMap({d}, {d}))", "collections.namedtuple('N', {i})", "functools.partial({f2}, {v})({v})", "functools.singledispatch({f})({v})", "functools.lru_cache(maxsize={n})({f})({v})", "enum.Enum('E', {i})", "enum.Flag('E', 'A B C')({n})", "list(enum.Flag('E', 'A B C')(5))", "dataclasses.make_dataclass('D', {i})", "copy.deepcopy({i})", "pprint.pformat({i}, width={n})", "reprlib.repr({i})", "types.SimpleNamespace(a={v}) == {v}", "itertools.count({v})", "itertools.repeat({v})", "calendar.monthrange({n}, {n})", "colorsys.rgb_to_hsv({v}, {v}, {v})", "string.Formatter().format('{{0}} {{a}}', {v}, a={v})", "copy.replace({v}, a={v})", "graphlib.TopologicalSorter({d}).static_order()", "cmath.sqrt({v})", "cmath.polar({v})", "cmath.exp({v})", "cmath.log({v}, {v})", "math.log({v}, {v})", "math.hypot({v}, {v})", "math.isclose({v}, {v}, rel_tol={v})", "cmath.phase({v})", "cmath.isclose({v}, {v})", "cmath.{c}({v})", "math.nextafter({v}, {v}, steps={n})", "math.fmod({v}, {v})", "math.comb({n}, {n})", "math.perm({n})", "inspect.signature({f2})", "inspect.signature(fn).bind({v}, {v}, d={v})", "typing.get_args({t})", "repr({t})", "{t} == {t}", "{t} | {t}", "isinstance({v}, {t})", "abc.ABC.register({v})", "array.array({v}, {i})", "contextlib.suppress({v})", "list(zip(*{i}))", "time.strftime({v}, {i})", "time.gmtime({v} or 0)", "os.fspath({v})", "io.BytesIO(b'abc').read({v})", "io.StringIO('ab\\ncd').seek({n})", "type(weakref.ref({v})).__name__"]  # fmt: skip
TYPES = ["list[int]", "dict[str, int]", "int | None", "typing.Optional[int]", "typing.Union[int, str]", "typing.Callable[[int], str]", "tuple[int, ...]", "typing.Literal[1, 'a']", "typing.Any", "type[int]", "list[typing.TypeVar('T')]", "list['X']", "typing.Annotated[int, 5]", "collections.abc.Iterable[int]", "int", "typing.List[int]", "typing.ClassVar[int]", "tuple[()]", "dict[int]", "None | int"]


def iterators(rng):
    pools = {
        "{i}": ["[3, 1, 2]", "'abca'", "[]", "range(4)", "[(1, 2), (3, 4)]", "['a', 'b', 'c']", "iter([1, 2, 3])", "[1.5, 2, 3.5]", "{'a': 1, 'b': 2}", "5", "None", "gen(1, 2, 3)", "raising(2)", "[1, 'a']", "(1, 2, 3, 4, 5, 6)", "[True, False]", "[[1], [2, 3]]", "['x', ('y', 1)]", "[1, 1, 2, 2, 2]", "Seq(1, 2, 3)", "b'abc'", "[0.1] * 5", "[2**70, 1]", "[('a', int), ('b', str, 5)]", "'a b c'"],
        "{v}": ["1", "2.5", "'a'", "None", "0", "-1", "True", "(1, 2)", "[1]", "10**20", "1j", "Idx(2)", "float('nan')", "'ab'", "b'x'", "0.5", "Fl()", "int", "complex(1, -2)", "-0.0", "Attr()", "float('inf')"],
        "{n}": ["0", "1", "2", "3", "-1", "5", "None", "'a'", "2.5"],
        "{f}": ["None", "lambda v: v", "bool", "lambda v: v > 1", "str", "len", "lambda: 0", "lambda v: 1 / 0", "type", "5", "lambda v: v % 2"],
        "{f2}": ["max", "lambda a, b: a + b", "operator.mul", "lambda a, b: (a > b) - (a < b)", "lambda a: a", "divmod", "pow", "lambda *a: a", "None", "operator.sub", "lambda a, b=5, /, *c, d, **e: a"],
        "{d}": ["{}", "{'a': 1}", "{1: [2], 2: [3]}", "{'a': 'b', 'b': 'a'}", "{(1, 2): 3}", "D(a=5)", "[]"],
        "{c}": ["acos", "asin", "atan", "acosh", "asinh", "atanh", "cos", "cosh", "sin", "sinh", "tan", "tanh", "log10", "isnan", "isinf"],
        "{t}": TYPES,
    }  # fmt: skip

    def make():
        use = rng.choice(ITERTOOLS)
        for key, pool in pools.items():
            while key in use:
                use = use.replace(key, rng.choice(pool), 1)
        if use.startswith(("itertools.", "collections.C", "random.", "functools.", "heapq.", "bisect.", "operator.")):
            return use
        return f"list({use})" if use.split("(")[0] in NAMES and "(" in use else use

    return several(rng, "import collections.abc, abc, array, bisect, calendar, cmath, colorsys, contextlib, copy, dataclasses, enum, functools, graphlib, heapq, inspect, io, itertools, math, operator, os, pprint, random, reprlib, statistics, string, time, types, typing, weakref\nfrom itertools import *", make)


NAMES = ["accumulate", "batched", "chain", "combinations", "combinations_with_replacement", "compress", "dropwhile", "filterfalse", "pairwise", "permutations", "product", "starmap", "takewhile", "zip_longest", "map", "islice", "zip", "repeat", "groupby", "chain.from_iterable"]

# ---------------------------------------------------------------- classes of the library

FIELDS = ["a: int", "b: str = 'b'", "c: list = field(default_factory=list)", "d: int = field(default=4, repr=False)", "e: float = field(default=1.5, compare=False)", "f: int = field(kw_only=True, default=6)", "g: InitVar[int] = 7", "h: ClassVar[int] = 8", "i: int = field(init=False, default=9)", "j: list = []", "_: KW_ONLY", "k: int", "l: int = field(hash=False, default=3)", "m: object = None", "n = 5"]


def dataclasses(rng):
    options = ", ".join(f"{name}={rng.choice(['True', 'False'])}" for name in rng.sample(["eq", "order", "frozen", "repr", "init", "unsafe_hash", "kw_only", "slots", "match_args", "weakref_slot"], rng.choice([0, 1, 1, 2, 3])))
    lines = ["import copy, dataclasses, pickle", "from dataclasses import *", "from typing import ClassVar"]
    base = ""
    for name in ["A", "B"][: rng.choice([1, 1, 2])]:
        fields = rng.sample(FIELDS, rng.randint(0, 5))
        body = "\n        ".join(fields or ["pass"])
        extra = rng.choice(["", "", "\n        def __post_init__(self, *args): log('post', args)", "\n        def __eq__(self, o): return True", "\n        def __hash__(self): return 1", "\n        def __lt__(self, o): return True", "\n        def __setattr__(self, n, v): object.__setattr__(self, n, v)"])
        chosen = options if rng.random() < 0.7 else rng.choice(["", "frozen=True", "slots=True"])
        lines.append(f"try:\n    @dataclass{f'({chosen})' if chosen else ''}\n    class {name}{base}:\n        {body}{extra}\nexcept Exception as e:\n    log(e); raise SystemExit")
        base = "(A)"
    name = lines[-1].split("class ")[1][0]
    made = lambda: f"{name}({', '.join([str(rng.randint(0, 3)) for _ in range(rng.choice([0, 1, 2, 2, 3]))] + [f'{key}={rng.randint(0, 3)}' for key in rng.sample('abcdefgkm', rng.choice([0, 0, 1, 2]))])})"
    uses = ["{x}", "{x} == {y}", "{x} < {y}", "hash({x}) == hash({x})", "asdict({x})", "astuple({x})", "replace({x}, a=5)", "[f.name for f in fields({x})]", "vars({x})", "setattr({x}, 'a', 1)", "delattr({x}, 'a')", "copy.copy({x})", "is_dataclass({x})", "{n}.__match_args__", "{n}.__slots__", "sorted([{x}, {y}])", "copy.replace({x}, b=2)", "{n}.__init__.__name__, {n}.__doc__", "{n}.__hash__ is None", "{x}.__dict__", "{n}.__annotations__", "{n}.b", "{x}.c", "fields({n})[0]", "[(f.name, f.default is MISSING, f.kw_only, f.init) for f in fields({n})]", "setattr({x}, 'zz', 1)", "repr({x})", "{n}.__dataclass_params__"]
    sources = []
    for _ in range(rng.randint(2, 6)):
        use = rng.choice(uses).replace("{n}", name)
        while "{x}" in use or "{y}" in use:
            use = use.replace("{x}", made(), 1).replace("{y}", made(), 1)
        sources.append(use)
    return "\n".join(lines) + "\n" + attempts("", sources)


def enums(rng):
    kind = rng.choice(["Enum", "Enum", "IntEnum", "Flag", "IntFlag", "StrEnum", "int, Enum", "str, Enum", "Flag, boundary=KEEP", "Flag, boundary=CONFORM", "ReprEnum", "float, Enum", "Plain"])
    members = rng.sample(["A = 1", "B = 2", "C = 3", "D = 1", "E = 'e'", "F = auto()", "G = auto()", "H = (1, 2)", "I = A", "J = 4", "_k = 5", "def m(self): return self.value", "L = lambda: 1", "M = member(7)", "N = nonmember(8)", "_ignore_ = ['P']", "P = 9", "Q = -1", "S = None", "__private = 3", "def __str__(self): return 'S' + self.name", "_missing_ = classmethod(lambda cls, v: None)", "@classmethod\n        def _missing_(cls, v): return list(cls)[0]", "def _generate_next_value_(name, start, count, last): return name * 2", "T = 8", "@property\n        def p(self): return self.name", "U = [1]", "Z = 0", "mro = 1", "V = True", "_order_ = 'A B'"], rng.randint(1, 6))  # fmt: skip
    body = "\n        ".join(members)
    decorator = rng.choice(["", "", "", "@unique\n    ", "@verify(CONTINUOUS)\n    ", "@verify(NAMED_FLAGS)\n    "])
    uses = ["list(X)", "X({v})", "X[{n}]", "X.{m}", "X.{m}.name, X.{m}.value", "repr(X.{m}), str(X.{m}), format(X.{m}, '>6')", "X.{m} == {v}", "X.{m} is X({v})", "X.{m} | X.{o}", "X.{m} & X.{o}", "~X.{m}", "X.{m} ^ {v}", "X.{m} in X", "{v} in X", "len(X)", "X.__members__", "X.{m} < X.{o}", "list(X.{m})", "hash(X.{m}) == hash(X.{m})", "X.{m}.{o}", "setattr(X, {n}, 1)", "delattr(X, {n})", "isinstance(X.{m}, int)", "X.{m} + 1", "pickle.dumps(X.A)[:0]", "copy.copy(X.{m})", "bool(X.{m})", "dir(X)[:3]", "list(reversed(X))", "X.{m}.m()", "X.{m}.p", "X.{m}._value_", "f'{{X.{m}}}'", "f'{{X.{m}:5}}'", "'%s %r' % (X.{m}, X.{m})", "X.{m} or 'falsy'", "{{X.{m}: 1}}", "sorted(X)", "X.__doc__", "type(X.{m}).__mro__", "int(X.{m})", "X.{m}._name_", "X({v}) | 16", "len(X.{m})", "X.nope", "type('Y', (X,), {{}})", "X('a', names='b')", "X.{m}.real"]
    sources = [rng.choice(uses).replace("{{", "{").replace("}}", "}").replace("{v}", rng.choice(["1", "2", "3", "'e'", "0", "7", "-1", "None", "'x'", "(1, 2)", "16"])).replace("{n}", rng.choice(["'A'", "'B'", "'zz'", "'E'"])).replace("{m}", rng.choice("ABCDEFG")).replace("{o}", rng.choice("ABCJ")) for _ in range(rng.randint(3, 7))]
    return f"import pickle, copy\nfrom enum import *\nclass Plain(Enum):\n    def q(self): return 1\ntry:\n    {decorator}class X({kind}):\n        {body}\nexcept Exception as e:\n    log(e, e.__cause__); raise SystemExit\n" + attempts("", sources)


KINDS = {"re": (regexes, 4), "json": (jsons, 3), "structs": (structs, 3), "dates": (dates, 5), "decimals": (decimals, 3), "fractions": (fractions, 3), "texts": (texts, 6), "iterators": (iterators, 5), "dataclasses": (dataclasses, 2), "enums": (enums, 2)}  # fmt: skip

# ---------------------------------------------------------------- functions and classes of the smaller modules, with their options

# {s} is a text, {w} a few words, {k} a small number, {l} a list of numbers, {t} a list of texts, {o} any object, {b} True or False, {u} an address.
CALLS = ["textwrap.wrap({w}, width={k} + 5, initial_indent={s}, subsequent_indent=' ')", "textwrap.wrap({w}, {k} + 4, break_long_words={b}, break_on_hyphens={b})", "textwrap.wrap({w}, 12, max_lines={k}, placeholder='..')", "textwrap.fill({w}, {k} + 6, expand_tabs={b}, replace_whitespace={b}, drop_whitespace={b})", "textwrap.TextWrapper(width={k} + 3, fix_sentence_endings={b}, tabsize={k}).wrap({w})", "textwrap.indent({w}, {s}, predicate=lambda line: {b})", "textwrap.dedent({w})", "textwrap.shorten({w}, {k} + 7, placeholder={s})", "base64.b64encode({w}.encode(), altchars=b'-_')", "base64.b64decode({s} + 'YWJj', altchars='-_', validate={b})", "base64.b32decode({s} + 'MFRGG===', casefold={b})", "base64.b32hexencode({w}.encode())", "base64.a85encode({w}.encode(), foldspaces={b}, wrapcol={k}, pad={b}, adobe={b})", "base64.a85decode({s}, adobe={b})", "base64.b85decode({s})", "base64.b16decode({s}, casefold={b})", "base64.encodebytes({w}.encode() * {k})", "base64.urlsafe_b64decode({s} + '==')", "base64.z85encode(b'abcd' * {k})", "list(difflib.unified_diff({t}, {t}, 'a', 'b', n=abs({k} or 1), lineterm=''))", "list(difflib.context_diff({t}, {t}, n=abs({k} or 1)))", "difflib.SequenceMatcher({f}, {w}, {w}, autojunk={b}).get_opcodes()", "difflib.SequenceMatcher(None, {l}, {l}).get_matching_blocks()", "list(difflib.SequenceMatcher(a={w}, b={w}).get_grouped_opcodes(abs({k} or 1)))", "list(difflib.Differ().compare({t}, {t}))", "list(difflib.restore(difflib.ndiff({t}, {t}), {k}))", "difflib.get_close_matches({s}, {t}, n={k}, cutoff={q})", "shlex.split({w}, comments={b}, posix={b})", "shlex.join({t})", "list(shlex.shlex({w}, punctuation_chars={b}))", "html.escape({w}, quote={b})", "html.unescape({w} + '&#x4' + {s})", "urllib.parse.urlparse({u}, scheme='x', allow_fragments={b})", "urllib.parse.urlsplit({u}).geturl()", "urllib.parse.urlsplit({u}).port", "urllib.parse.urlsplit({u}).hostname", "urllib.parse.parse_qsl({u}, keep_blank_values={b}, strict_parsing={b}, max_num_fields={k})", "urllib.parse.parse_qs({u}, separator=';')", "urllib.parse.urlencode({d}, doseq={b})", "urllib.parse.urlencode({d}, quote_via=urllib.parse.quote, safe={s})", "urllib.parse.urljoin({u}, {u})", "urllib.parse.urldefrag({u})", "urllib.parse.quote({w}, safe={s}, encoding='latin-1', errors='replace')", "urllib.parse.unquote_plus({u})", "urllib.parse.unquote_to_bytes({u})", "urllib.parse.urlunsplit({t})", "list(csv.reader({t}, delimiter={c}, quotechar={c}))", "list(csv.reader({t}, skipinitialspace={b}, doublequote={b}, strict={b}))", "list(csv.reader({t}, quoting={k}))", "list(csv.DictReader({t}, restkey='r', restval='v'))", "written(csv.writer, {t}, delimiter={c}, quoting={k})", "written(csv.writer, {o}, lineterminator={s}, escapechar='^', doublequote={b})", "written(csv.writer, [{o}, {o}], quoting=csv.QUOTE_NONNUMERIC)", "csv.Sniffer().sniff({w}).delimiter", "heapq.nsmallest({k}, {l}, key=lambda v: -v)", "list(heapq.merge({l}, {l}, reverse={b}))", "(lambda h: (heapq.heapify(h), heapq.heappushpop(h, {k}), h))({l})", "(lambda h: (heapq.heapify(h), heapq.heapreplace(h, {k}), h))({l})", "bisect.bisect({l}, {k}, lo={k}, hi={k})", "bisect.bisect_left({l}, {k}, {k}, key=lambda v: -v)", "(lambda a: (bisect.insort(a, {k}, {k}), a))({l})", "operator.itemgetter({k}, slice({k}))({l})", "operator.attrgetter('real', 'imag')({k})", "operator.methodcaller('split', {s}, maxsplit={k})({w})", "operator.countOf({l}, {k})", "operator.indexOf({l}, {k})", "operator.length_hint({o}, {k})", "operator.concat({l}, {l})", "operator.setitem({l}, {k}, {o})", "operator.matmul({o}, {o})", "operator.contains({o}, {k})", "operator.is_none({o})", "copy.copy({o})", "copy.deepcopy([{o}, {o}])", "copy.replace({o})", "pprint.pformat({o}, indent={k}, width={k} * 5, depth={k})", "pprint.pformat([{o}, {d}, {o}], compact={b}, sort_dicts={b}, width=20)", "pprint.pformat({w} * 4, width={k} * 4)", "pprint.pformat(10**12, underscore_numbers={b})", "pprint.saferepr({o})", "pprint.isreadable({o}), pprint.isrecursive({o})", "statistics.median_low({l})", "statistics.median_grouped({l}, interval={k})", "statistics.quantiles({l}, n={k}, method='inclusive')", "statistics.pstdev({l}, mu={k})", "statistics.variance({l}, xbar={q})", "statistics.correlation({l}, {l}, method='ranked')", "statistics.covariance({l}, {l})", "statistics.linear_regression({l}, {l}, proportional={b})", "statistics.harmonic_mean({l}, weights={l})", "round(statistics.NormalDist({k}, {q}).cdf({q}), 8)", "statistics.NormalDist({k}, {k}).inv_cdf({q})", "statistics.NormalDist.from_samples({l})", "round(statistics.NormalDist({k}, {q}).overlap(statistics.NormalDist({q}, {q})), 12)", "statistics.NormalDist(1, {k}) + statistics.NormalDist({k}, 2)", "statistics.NormalDist(0, {q}).quantiles({k})", "random.Random({k} or 0).sample({l}, {k}, counts={l})", "random.Random({k} or 0).choices({l}, weights={l}, k=2)", "random.Random({k} or 0).choices({l}, cum_weights={l}, k=2)", "random.Random({k} or 0).randint({k}, {k})", "random.Random({k} or 0).randrange({k}, {k}, {k})", "random.Random({k} or 0).uniform({k}, {q})", "random.Random({k} or 0).triangular({k}, {k}, {q})", "random.Random({k} or 0).betavariate({q}, {q})", "random.Random({k} or 0).expovariate({q})", "random.Random({k} or 0).gammavariate({q}, {q})", "random.Random({k} or 0).vonmisesvariate({q}, {q})", "random.Random({k} or 0).binomialvariate({k}, {q})", "random.Random({k} or 0).normalvariate({k}, {q})", "random.Random({s}).random()", "random.Random({k} or 0).getrandbits({k})", "random.Random({k} or 0).randbytes({k})", "(lambda r: (r.setstate(r.getstate()), r.random()))(random.Random({k} or 0))", "collections.Counter({w}) - collections.Counter({w})", "collections.Counter({w}) & collections.Counter({w})", "collections.Counter(a={k}, b={k}) <= collections.Counter({w})", "+collections.Counter(a={k}, b=-1)", "collections.Counter({w}).most_common({k})", "list(collections.Counter(a={k}, b=2).elements())", "collections.deque({l}, maxlen={k})", "(lambda d: (d.rotate({k}), d.insert({k}, 9), d))(collections.deque({l}))", "collections.deque({l}, {k}).index({k}, {k})", "collections.OrderedDict({d}) == {d}", "(lambda d: (d.move_to_end('a', last={b}), d))(collections.OrderedDict(a=1, b=2))", "collections.OrderedDict(a=1, b=2).popitem(last={b})", "collections.defaultdict(list, {d})['a']", "collections.ChainMap({d}, {d}).new_child({d})", "collections.namedtuple('N', {t}, rename={b}, defaults={l})", "collections.namedtuple('N', 'a b c', defaults=[1])({k}, b={k})._asdict()", "collections.namedtuple('N', 'a b')(1, 2)._replace(b={o})", "collections.UserList({l})[{k}:]", "collections.UserDict({d}) | {d}", "collections.UserString({w}).center({k} * 5, '-')", "functools.reduce(lambda a, b: a * b, {l}, {k})", "functools.partial(fn, {k}, d={k})({o})", "functools.partial(fn, {k}, e={o})", "functools.cache(len)({w})", "(lambda f: (f(1), f({k}), f(1), f.cache_info()))(functools.lru_cache({k}, typed={b})(lambda v: v))", "functools.cmp_to_key(lambda a, b: b - a)({k}) < functools.cmp_to_key(lambda a, b: b - a)({k})", "functools.partialmethod(fn, {k})", "functools.wraps(fn)(lambda: 1).__name__", "list(itertools.islice({l}, {k}, None, {k}))", "list(itertools.accumulate({l}, max, initial={k}))", "list(itertools.batched({l}, n={k}, strict={b}))", "list(itertools.product({s}, {s}, repeat={k} % 3))", "list(itertools.zip_longest({l}, {w}, fillvalue={o}))", "list(itertools.groupby({l}, key=lambda v: v > 2))", "list(itertools.repeat({o}, times={k}))", "list(itertools.islice(itertools.count(start={q}, step={k}), 3))", "list(itertools.permutations({l}, r={k}))[:9]", "list(itertools.combinations(iterable={s}, r={k}))", "string.Template({w} + '$a ${{b}}').substitute({d}, b={k})", "string.Template({w} + '$a $').safe_substitute({d})", "string.Template('$a ${{b}} $$ ' + {w}).get_identifiers()", "string.Template('$a $1').is_valid()", "string.Formatter().vformat('{{a}} {{0!r:>{{1}}}}', [{o}, {k}], {d})", "string.capwords({w}, {s})", "json.dumps({o}, indent={k}, sort_keys={b}, default=str)", "json.dumps({d}, separators=({s}, {s}), ensure_ascii={b})", "json.loads(json.dumps({w}), strict={b})", "json.dumps([{o}, {d}], skipkeys={b}, allow_nan={b}, indent={s})", "re.sub('[a-c](\\\\d)?', {s}, {w}, count={k})", "re.split('([ ,])', {w}, maxsplit={k})", "re.findall({s}, {w}, re.I)", "re.compile('(?P<n>a)|b').sub(lambda m: str(m.lastgroup), {w})", "re.fullmatch('(?i:[a-z]+)|.*', {w}, flags=re.S)", "re.escape({w} + {s})"]  # fmt: skip


def calls(rng):
    words = lambda: ascii("".join(rng.choice(["ab", "foo-bar", " ", "  ", "\t", "\n", ".", "a b c", "é", "Hello.", "'q'", '"x y"', "12", ",", "#", "long" * 4, "&lt;", "$a"]) for _ in range(rng.randint(0, 7))))
    lists = ["[3, 1, 2]", "[]", "[1]", "[1, 1, 2, 5, 5]", "[2.5, 1, -3]", "[0, 0]", "[1, 2, 3, 4, 5, 6, 7]", "(4, 2)", "range(5)", "[-1, 1]"]
    pools = {
        "{s}": lambda: ascii(rng.choice(["", " ", "a", "-", "ab", "/", "> ", "é", "=", "+", "\n", "A", "a1", "\\", "12", "zz"])),
        "{w}": words,
        "{k}": lambda: rng.choice(["0", "1", "2", "3", "4", "5", "1", "2", "3", "-1", "None", "7"]),
        "{q}": lambda: rng.choice(["0.5", "0", "1", "2.5", "-1.0", "1e-3", "0.999"]),
        "{l}": lambda: rng.choice(lists) if rng.random() < 0.95 else rng.choice(["'abc'", "None", "5", "['a', 1]"]),
        "{t}": lambda: "[" + ", ".join(words() for _ in range(rng.randint(0, 4))) + "]",
        "{o}": lambda: rng.choice(["1", "'a'", "None", "[1, [2, [3]]]", "{'b': 1, 'a': [2]}", "(1,)", "{1, 2}", "1.5", "'long text ' * 5", "b'bytes'", "Attr()", "{}", "frozenset('a')", "range(3)", "True", "I(3)", "L([1])", "10**20", "float('nan')", "[None] * 3", "['aaaa bbbb cccc', 'dd']"]),
        "{b}": lambda: rng.choice(["True", "False"]),
        "{c}": lambda: rng.choice(["','", "';'", "'|'", "'\"'", "' '", "\"'\"", "'\\t'"]),
        "{d}": lambda: rng.choice(["{}", "{'a': 1}", "{'b': [1, 2], 'a': 'x y'}", "{'a': 'é&=', 'c': None}", "dict(a=1, d=2)", "{1: 'n'}"]),
        "{f}": lambda: rng.choice(["None", "str.isspace", "lambda c: c in 'ab'"]),
        "{u}": lambda: ascii("".join([rng.choice(["http:", "https:", "", "x-y:", "mailto:", "file:"]), rng.choice(["//", "", "/"]), rng.choice(["host", "u:p@host:80", "[::1]:8", "", "h:x", "HOST.com", "h:99999"]), rng.choice(["", "/", "/a/../b", "/p;q", "/%41 é", "//x"]), rng.choice(["", "?a=1&b=&c", "?a=1;b=2", "?a=%zz+x"]), rng.choice(["", "#f", "#", "#a?b"])])),
    }  # fmt: skip

    def make():
        use = rng.choice(CALLS)
        for key, pool in pools.items():
            while key in use:
                use = use.replace(key, pool(), 1)
        return use.replace("{{", "{").replace("}}", "}")

    start = "import base64, bisect, collections, copy, csv, difflib, functools, heapq, html, io, itertools, json, operator, pprint, random, re, shlex, statistics, string, textwrap, urllib.parse\ndef written(kind, rows, **options):\n    out = io.StringIO()\n    kind(out, **options).writerows(rows)\n    return out.getvalue()"
    return several(rng, start, make)


KINDS["calls"] = (calls, 5)
