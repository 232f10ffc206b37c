//! The module `unicodedata`: what Unicode says of characters, and the forms in which texts are compared.

use crate::heap::Value;
use crate::native::natives;
use crate::native::types::bytes::bytes_like;
use crate::object::Exc;
use crate::text::{names, normal, unicode, wtf8};
use crate::vm::native::{Cx, Given, NativeResult, Raised, Root};

/// What `_unicode_3_2` has.
const OLD: [&str; 2] = ["UCD", "ucd_3_2_0"];

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("unicodedata").held();
    cx.functions_of(module, &UNICODEDATA);
    let key = cx.intern("unidata_version").held();
    let version = cx.str("16.0.0").held();
    let done = module.dict().set_str(&cx.heap, key, version.value());
    cx.fits(done)?;
    Ok(())
}

/// The one code point of an argument; `what` is how errors call it.
fn point(cx: &mut Cx, chr: Root, function: &str, what: &str) -> Result<u32, Raised> {
    let Some(text) = cx.as_str(chr.get(cx)) else {
        let got = cx.type_name_for_error(chr.get(cx));
        return Err(cx.type_error(format!("{function}() {what} must be a unicode character, not {got}")));
    };
    let mut points = wtf8::code_points(text.as_bytes());
    match (points.next(), points.next()) {
        (Some(point), None) => Ok(point),
        _ => {
            let length = text.len();
            let text = format!("{function}(): {what} must be a unicode character, not a string of length {length}");
            Err(cx.type_error(text))
        }
    }
}

/// A found value, the default where there is none, or a ValueError.
fn or_default(cx: &mut Cx, found: Option<Value<'static>>, default: Given<Root>, complaint: &str) -> NativeResult {
    match (found, default.0) {
        (Some(value), _) => Ok(value.into()),
        (None, Some(default)) => Ok(default.get(cx).into()),
        (None, None) => Err(cx.value_error(complaint)),
    }
}

fn form(cx: &mut Cx, form: Root, unistr: Root, function: &str) -> Result<(normal::Form, Vec<u8>), Raised> {
    let mut texts = vec![];
    for (at, root) in [(1, form), (2, unistr)] {
        let Some(text) = cx.as_str(root.get(cx)) else {
            let got = cx.type_name_for_error(root.get(cx));
            return Err(cx.type_error(format!("{function}() argument {at} must be str, not {got}")));
        };
        texts.push(text.as_bytes().to_vec());
    }
    let text = texts.pop().expect("two were pushed");
    // An empty text is in every form, and nobody looks which one was asked for.
    if text.is_empty() {
        return Ok((normal::Form::Nfc, text));
    }
    match normal::Form::lookup(&texts[0]) {
        Some(form) => Ok((form, text)),
        None => Err(cx.value_error("invalid normalization form")),
    }
}

natives!(
    /// What Unicode says of characters.
    pub static UNICODEDATA: Functions;

    /// What is written in the language, and loaded when it is asked for.
    fn __getattr__(cx: &mut Cx, name: Root) -> NativeResult {
        crate::native::later(cx, "unicodedata", "_unicode_3_2", &OLD, name)
    }

    /// All names, with those that are loaded when they are asked for.
    fn __dir__(cx: &mut Cx) -> NativeResult {
        crate::native::names_with(cx, "unicodedata", &OLD)
    }

    /// Return the general category of a character, such as 'Lu'.
    fn category(cx: &mut Cx, chr: Root) -> NativeResult {
        let point = point(cx, chr, "category", "argument")?;
        Ok(cx.str(unicode::category(point)).into())
    }

    /// Return the class of a character in the bidirectional algorithm; '' if it has none.
    fn bidirectional(cx: &mut Cx, chr: Root) -> NativeResult {
        let point = point(cx, chr, "bidirectional", "argument")?;
        Ok(cx.str(unicode::bidirectional(point)).into())
    }

    /// Return the canonical combining class of a character, 0 if it has none.
    fn combining(cx: &mut Cx, chr: Root) -> NativeResult {
        let point = point(cx, chr, "combining", "argument")?;
        Ok(Value::int(unicode::combining(point).into()).into())
    }

    /// Return how wide East Asian type sets a character, such as 'W'.
    fn east_asian_width(cx: &mut Cx, chr: Root) -> NativeResult {
        let point = point(cx, chr, "east_asian_width", "argument")?;
        Ok(cx.str(unicode::east_asian_width(point)).into())
    }

    /// Return 1 if a character is mirrored in text that runs from right to left, else 0.
    fn mirrored(cx: &mut Cx, chr: Root) -> NativeResult {
        let point = point(cx, chr, "mirrored", "argument")?;
        Ok(Value::int(unicode::mirrored(point).into()).into())
    }

    /// Return what a character is made of, as hexadecimal numbers after a tag if it is no canonical decomposition; '' if nothing.
    fn decomposition(cx: &mut Cx, chr: Root) -> NativeResult {
        let point = point(cx, chr, "decomposition", "argument")?;
        let mut made = String::new();
        if let Some((tag, parts)) = unicode::decomposition(point) {
            made.push_str(tag);
            for part in parts.chars() {
                if !made.is_empty() {
                    made.push(' ');
                }
                made.push_str(&format!("{:04X}", part as u32));
            }
        }
        Ok(cx.str(&made).into())
    }

    /// Return the numeric value of a character as a float.
    fn numeric(cx: &mut Cx, chr: Root, #[text("<unrepresentable>")] default: Given<Root>) -> NativeResult {
        let point = point(cx, chr, "numeric", "argument 1")?;
        or_default(cx, unicode::numeric(point).map(Value::float), default, "not a numeric character")
    }

    /// Return the value of a decimal digit.
    fn decimal(cx: &mut Cx, chr: Root, #[text("<unrepresentable>")] default: Given<Root>) -> NativeResult {
        let point = point(cx, chr, "decimal", "argument 1")?;
        or_default(cx, unicode::decimal(point).map(|n| Value::int(n.into())), default, "not a decimal")
    }

    /// Return the value of a digit, superscripts and the like included.
    fn digit(cx: &mut Cx, chr: Root, #[text("<unrepresentable>")] default: Given<Root>) -> NativeResult {
        let point = point(cx, chr, "digit", "argument 1")?;
        or_default(cx, unicode::digit(point).map(|n| Value::int(n.into())), default, "not a digit")
    }

    /// Return the name of a character.
    fn name(cx: &mut Cx, chr: Root, #[text("<unrepresentable>")] default: Given<Root>) -> NativeResult {
        let point = point(cx, chr, "name", "argument 1")?;
        match names::name(point) {
            Some(name) => Ok(cx.str(&name).into()),
            None => or_default(cx, None, default, "no such name"),
        }
    }

    /// Return the character with a name.
    fn lookup(cx: &mut Cx, name: Root) -> NativeResult {
        let name = match cx.as_str(name.get(cx)) {
            Some(text) => text.to_str_lossy().into_owned(),
            None => String::from_utf8_lossy(&bytes_like(cx, name)?).into_owned(),
        };
        if name.len() > 256 {
            return Err(cx.raise_text(Exc::KeyError, "name too long"));
        }
        match names::lookup(&name) {
            Some(c) => Ok(cx.str(c.encode_utf8(&mut [0; 4])).into()),
            None => Err(cx.raise_text(Exc::KeyError, &format!("undefined character name '{name}'"))),
        }
    }

    /// Return a text in the normal form 'NFC', 'NFKC', 'NFD' or 'NFKD'.
    fn normalize(cx: &mut Cx, form: Root, unistr: Root) -> NativeResult {
        let (form, text) = self::form(cx, form, unistr, "normalize")?;
        match normal::normalize(&text, form) {
            Some(made) => Ok(Value::adopt(cx.checked_text(&made)?).into()),
            None => Ok(unistr.get(cx).into()),
        }
    }

    /// Return whether a text is in the normal form 'NFC', 'NFKC', 'NFD' or 'NFKD' already.
    fn is_normalized(cx: &mut Cx, form: Root, unistr: Root) -> NativeResult {
        let (form, text) = self::form(cx, form, unistr, "is_normalized")?;
        let already = normal::normalize(&text, form).is_none_or(|made| made == text);
        Ok(if already { Value::TRUE } else { Value::FALSE }.into())
    }
);
