//! The errors of encodings: their arguments and texts.

use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::object::Exc;
use crate::text::codec;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Rest, Root};

use super::exception::{field, no_keywords, set_args, set_field};

natives!(
    /// Unicode encoding error.
    pub static UNICODE_ENCODE_ERROR_METHODS: Methods;

    /// Keep the encoding, the text, the place in it and the reason.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        unicode_init(cx, this, args, kwargs, Exc::UnicodeEncodeError)
    }

    /// Return str(self): what cannot be encoded, where and why.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        unicode_text(cx, this, Exc::UnicodeEncodeError)
    }
);

natives!(
    /// Unicode decoding error.
    pub static UNICODE_DECODE_ERROR_METHODS: Methods;

    /// Keep the encoding, the bytes, the place in them and the reason.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        unicode_init(cx, this, args, kwargs, Exc::UnicodeDecodeError)
    }

    /// Return str(self): what cannot be decoded, where and why.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        unicode_text(cx, this, Exc::UnicodeDecodeError)
    }
);

natives!(
    /// Unicode translation error.
    pub static UNICODE_TRANSLATE_ERROR_METHODS: Methods;

    /// Keep the text, the place in it and the reason.
    fn __init__(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        unicode_init(cx, this, args, kwargs, Exc::UnicodeTranslateError)
    }

    /// Return str(self): what cannot be translated, where and why.
    fn __str__(cx: &mut Cx, this: Root) -> NativeResult {
        unicode_text(cx, this, Exc::UnicodeTranslateError)
    }
);

// ---- Unicode ----

fn unicode_init(cx: &mut Cx, this: Root, args: Rest, kwargs: KeywordRest, class: Exc) -> NativeResult {
    no_keywords(cx, this, kwargs)?;
    set_args(cx, this, args);
    // What cannot be translated has no encoding, although there is a field for it.
    let names = match class {
        Exc::UnicodeTranslateError => &class.own_fields()[..4],
        _ => class.own_fields(),
    };
    let given = args.0.len();
    if given != names.len() {
        let wanted = names.len();
        return Err(cx.type_error(format!("function takes exactly {wanted} arguments ({given} given)")));
    }
    for (number, (name, root)) in names.iter().zip(args.0.roots()).enumerate() {
        let number = number + 1;
        let value = root.get(cx);
        let raw = match *name {
            "start" | "end" => {
                let index = cx.index_as_i64(root)?;
                Raw::int(index)
            }
            "object" if class == Exc::UnicodeDecodeError => {
                let payload = cx.payload(value);
                if payload.kind() == Kind::Bytes {
                    payload.raw()
                } else if let Some(bytes) = cx.bytes_like(payload) {
                    crate::object::Bytes::new(&cx.heap, &bytes).value().raw()
                } else {
                    let got = cx.type_name_for_error(root.get(cx));
                    return Err(cx.type_error(format!("a bytes-like object is required, not '{got}'")));
                }
            }
            _ if cx.as_str(value).is_some() => value.raw(),
            _ => {
                let got = cx.type_name_for_error(value);
                return Err(cx.type_error(format!("argument {number} must be str, not {got}")));
            }
        };
        set_field(cx, this, class, name, raw);
    }
    Ok(Outcome::NONE)
}

fn unicode_text(cx: &mut Cx, this: Root, class: Exc) -> NativeResult {
    let get = |cx: &Cx, name: &str| field(cx, this, class, name);
    let object = get(cx, "object");
    if object.same(Raw::NONE) {
        return Ok(cx.str("").into());
    }
    let number = |raw: Raw| Value::adopt(raw).as_int().unwrap_or(0);
    let (start, end) = (number(get(cx, "start")), number(get(cx, "end")));
    let reason = get(cx, "reason");
    let reason = cx.push_raw(reason);
    let reason = cx.str_text(reason)?;
    let encoding = get(cx, "encoding");
    let encoding = cx.push_raw(encoding);
    let encoding = cx.str_text(encoding)?;
    let value = cx.payload(Value::adopt(object));
    let bytes_wanted = class == Exc::UnicodeDecodeError;
    let fits = if bytes_wanted { cx.bytes_like(value).is_some() } else { cx.as_str(value).is_some() };
    if !fits {
        let wanted = if bytes_wanted { "bytes" } else { "string" };
        return Err(cx.type_error(format!("UnicodeError 'object' attribute must be a {wanted}")));
    }
    let text = match class {
        Exc::UnicodeDecodeError => {
            let bytes = cx.bytes_like(value).unwrap_or_default();
            match usize::try_from(start) {
                Ok(at) if at < bytes.len() && end == start + 1 => {
                    codec::decode_message(&encoding, &bytes, at, at + 1, &reason)
                }
                _ => format!("'{encoding}' codec can't decode bytes in position {start}-{}: {reason}", end - 1),
            }
        }
        _ => {
            let bytes = cx.as_str(value).map_or(vec![], |s| s.as_bytes().to_vec());
            let len = crate::text::wtf8::count(&bytes) as i64;
            let one = (0..len).contains(&start) && end == start + 1;
            let what = match (class, one) {
                (Exc::UnicodeEncodeError, _) => format!("'{encoding}' codec can't encode"),
                _ => "can't translate".to_owned(),
            };
            if one {
                let point = crate::text::wtf8::code_points(&bytes).nth(start as usize).unwrap_or(0);
                let shown = match point {
                    0..=0xFF => format!("\\x{point:02x}"),
                    0x100..=0xFFFF => format!("\\u{point:04x}"),
                    _ => format!("\\U{point:08x}"),
                };
                format!("{what} character '{shown}' in position {start}: {reason}")
            } else {
                format!("{what} characters in position {start}-{}: {reason}", end - 1)
            }
        }
    };
    Ok(cx.str(&text).into())
}
