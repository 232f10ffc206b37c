//! The functions of `re`: each finds or compiles the pattern, and calls its method.

use crate::heap::Value;
use crate::native::natives;
use crate::object::Exc;
use crate::object::key::as_int_ref;
use crate::text::regex::Mode;
use crate::vm::native::{Cx, Given, NativeResult, Outcome, Raised, Rest, Root};

use super::subject::Subject;
use super::{cache, pattern, replace};

/// The compiled pattern for what a function was given.
fn compiled(cx: &mut Cx, source: Root, flags: Option<Root>) -> Result<Root, Raised> {
    let flags = match flags {
        None => 0,
        Some(flags) => match as_int_ref(cx.payload(flags.get(cx))).map(|int| int.to_i64().unwrap_or(i64::MAX)) {
            Some(int) => int,
            None if cx.has_method(Value::adopt(flags.get(cx).raw()), crate::vm::Name::Index) => {
                cx.index_as_i64(flags)?
            }
            None => {
                let got = cx.type_name_for_error(flags.get(cx));
                return Err(cx.type_error(format!("unsupported operand type(s) for &: '{got}' and 'int'")));
            }
        },
    };
    if let Some(found) = cache::find(cx, source.get(cx), flags) {
        return Ok(cx.push_raw(found));
    }
    if pattern::is_pattern(source.get(cx)) {
        if flags != 0 {
            return Err(cx.value_error("cannot process flags argument with a compiled pattern"));
        }
        return Ok(source);
    }
    let made = pattern::compile(cx, source, flags)?;
    let root = cx.push_raw(made);
    cache::keep(cx, source.get(cx).raw(), flags, root.get(cx).raw());
    Ok(root)
}

/// The optional arguments of `sub`, `subn` and `split`: a count and flags, which should be given by name.
fn counted(
    cx: &mut Cx,
    function: &str,
    (fixed, name): (usize, &str),
    args: Rest,
    count: Option<Root>,
    flags: Option<Root>,
) -> Result<(i64, Option<Root>), Raised> {
    let (mut count, mut flags) = (count, flags);
    if !args.0.is_empty() {
        if count.is_some() {
            return Err(cx.type_error(format!("{function}() got multiple values for argument '{name}'")));
        }
        count = Some(args.0.root(0));
        if args.0.len() > 1 {
            if flags.is_some() {
                return Err(cx.type_error(format!("{function}() got multiple values for argument 'flags'")));
            }
            flags = Some(args.0.root(1));
            if args.0.len() > 2 {
                let given = fixed + args.0.len();
                return Err(cx.type_error(format!(
                    "{function}() takes from {fixed} to {} positional arguments but {given} were given",
                    fixed + 2
                )));
            }
        }
        cx.warn(Exc::DeprecationWarning, &format!("'{name}' is passed as positional argument"))?;
    }
    let count = count.map_or(Ok(0), |c| cx.index_as_i64(c))?;
    Ok((count, flags))
}

/// Characters that `escape` puts a backslash before.
const SPECIAL: &[u8] = b"()[]{}?*+-|^$\\.&~# \t\n\r\x0b\x0c";

natives!(
    /// Support for regular expressions.
    pub(super) static SRE: ScriptFunctions;

    /// Try to apply the pattern at the start of the string, returning a Match object, or None if no match was found.
    fn r#match(
        cx: &mut Cx,
        #[either] pattern: Root,
        #[either] string: Root,
        #[either]
        #[text("0")]
        flags: Given<Root>,
    ) -> NativeResult {
        let pattern = compiled(cx, pattern, flags.0)?;
        pattern::once(cx, pattern, string, 0, i64::MAX, Mode::Match)
    }

    /// Try to apply the pattern to all of the string, returning a Match object, or None if no match was found.
    fn fullmatch(
        cx: &mut Cx,
        #[either] pattern: Root,
        #[either] string: Root,
        #[either]
        #[text("0")]
        flags: Given<Root>,
    ) -> NativeResult {
        let pattern = compiled(cx, pattern, flags.0)?;
        pattern::once(cx, pattern, string, 0, i64::MAX, Mode::Full)
    }

    /// Scan through string looking for a match to the pattern, returning a Match object, or None if no match was found.
    fn search(
        cx: &mut Cx,
        #[either] pattern: Root,
        #[either] string: Root,
        #[either]
        #[text("0")]
        flags: Given<Root>,
    ) -> NativeResult {
        let pattern = compiled(cx, pattern, flags.0)?;
        pattern::once(cx, pattern, string, 0, i64::MAX, Mode::Search)
    }

    /// Return the string with each match of the pattern replaced: by a text in which backslashes name groups, or by what a function
    /// returns for the Match object.
    fn sub(
        cx: &mut Cx,
        #[either] pattern: Root,
        #[either] repl: Root,
        #[either] string: Root,
        args: Rest,
        #[key]
        #[text("0")]
        count: Given<Root>,
        #[key]
        #[text("0")]
        flags: Given<Root>,
    ) -> NativeResult {
        let (count, flags) = counted(cx, "sub", (3, "count"), args, count.0, flags.0)?;
        let pattern = compiled(cx, pattern, flags)?;
        Ok(Outcome::Value(replace::replace(cx, pattern, repl, string, count)?.0))
    }

    /// As sub(), returning a tuple of the new string and the number of replacements.
    fn subn(
        cx: &mut Cx,
        #[either] pattern: Root,
        #[either] repl: Root,
        #[either] string: Root,
        args: Rest,
        #[key]
        #[text("0")]
        count: Given<Root>,
        #[key]
        #[text("0")]
        flags: Given<Root>,
    ) -> NativeResult {
        let (count, flags) = counted(cx, "subn", (3, "count"), args, count.0, flags.0)?;
        let pattern = compiled(cx, pattern, flags)?;
        replace::counted(cx, pattern, repl, string, count)
    }

    /// Split the string at each match of the pattern; what groups have matched is in the list, too.
    fn split(
        cx: &mut Cx,
        #[either] pattern: Root,
        #[either] string: Root,
        args: Rest,
        #[key]
        #[text("0")]
        maxsplit: Given<Root>,
        #[key]
        #[text("0")]
        flags: Given<Root>,
    ) -> NativeResult {
        let (most, flags) = counted(cx, "split", (2, "maxsplit"), args, maxsplit.0, flags.0)?;
        let pattern = compiled(cx, pattern, flags)?;
        pattern::split(cx, pattern, string, most)
    }

    /// Return a list of all matches in the string that do not overlap; of groups if there are any.
    fn findall(
        cx: &mut Cx,
        #[either] pattern: Root,
        #[either] string: Root,
        #[either]
        #[text("0")]
        flags: Given<Root>,
    ) -> NativeResult {
        let pattern = compiled(cx, pattern, flags.0)?;
        pattern::all(cx, pattern, string, 0, i64::MAX)
    }

    /// Return an iterator over all matches in the string that do not overlap.
    fn finditer(
        cx: &mut Cx,
        #[either] pattern: Root,
        #[either] string: Root,
        #[either]
        #[text("0")]
        flags: Given<Root>,
    ) -> NativeResult {
        let pattern = compiled(cx, pattern, flags.0)?;
        pattern::iterate(cx, pattern, string, 0, i64::MAX)
    }

    /// Compile a regular expression pattern, returning a Pattern object.
    fn compile(
        cx: &mut Cx,
        #[either] pattern: Root,
        #[either]
        #[text("0")]
        flags: Given<Root>,
    ) -> NativeResult {
        Ok(compiled(cx, pattern, flags.0)?.get(cx).into())
    }

    /// Clear the cache of compiled patterns.
    fn purge(cx: &mut Cx) -> NativeResult {
        cache::clear(cx);
        Ok(Outcome::NONE)
    }

    /// Escape special characters in a string.
    fn escape(cx: &mut Cx, #[either] pattern: Root) -> NativeResult {
        let subject = match Subject::of(cx, pattern) {
            Ok(subject) => subject,
            Err(raised) => {
                cx.take_raised(raised);
                let got = cx.type_name_for_error(pattern.get(cx));
                return Err(cx.type_error(format!("decoding to str: need a bytes-like object, {got} found")));
            }
        };
        let bytes = subject.bytes(cx);
        let mut out = Vec::with_capacity(bytes.len() + 16);
        for byte in bytes {
            if SPECIAL.contains(byte) {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        Ok(Outcome::Value(subject.made(cx, &out)?))
    }
);
