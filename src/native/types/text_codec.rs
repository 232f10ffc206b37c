//! Encoding and decoding: names of encodings and of handlers of errors, and what goes wrong as the exceptions of scripts.

use crate::heap::{Gc, Raw};
use crate::object::{ASCII, Bytes, Exc, Str};
use crate::text::MAX_LENGTH;
use crate::text::codec::{self, CodecError, Encoding, Handler, Stopped};
use crate::vm::native::{Cx, Raised, Root};

use super::text::receiver;

/// Finds a text encoding by name.
pub(crate) fn find_encoding(cx: &mut Cx, name: &[u8]) -> Result<Encoding, Raised> {
    let text = String::from_utf8_lossy(name);
    if let Some(encoding) = Encoding::lookup(&text) {
        return Ok(encoding);
    }
    Err(unknown_encoding(cx, name, "encode"))
}

/// The error for a name that is no text encoding's; `function` of `codecs` may know it.
fn unknown_encoding(cx: &mut Cx, name: &[u8], function: &str) -> Raised {
    let text = String::from_utf8_lossy(name);
    let normal = text.to_ascii_lowercase().replace('-', "_");
    let binary = matches!(
        normal.as_str(),
        "base64"
            | "base64_codec"
            | "base_64"
            | "bz2"
            | "bz2_codec"
            | "hex"
            | "hex_codec"
            | "quopri"
            | "quopri_codec"
            | "rot13"
            | "rot_13"
            | "uu"
            | "uu_codec"
            | "zip"
            | "zlib"
            | "zlib_codec"
    );
    if binary {
        let text = format!("'{text}' is not a text encoding; use codecs.{function}() to handle arbitrary codecs");
        cx.raise_text(Exc::LookupError, &text)
    } else {
        cx.raise_text(Exc::LookupError, &format!("unknown encoding: {text}"))
    }
}

/// Raises what a codec stopped at. `handler` is the name of a handler that is not known.
pub(crate) fn stopped(
    cx: &mut Cx,
    class: Exc,
    object: Root,
    stopped: Stopped,
    unknown_handler: Option<&[u8]>,
) -> Raised {
    if let Some(name) = unknown_handler {
        let name = String::from_utf8_lossy(name).into_owned();
        return cx.raise_text(Exc::LookupError, &format!("unknown error handler name '{name}'"));
    }
    match stopped {
        Stopped::Error(CodecError { encoding, start, end, reason }) => {
            cx.unicode_error(class, object, encoding, start, end, reason)
        }
        Stopped::WrongHandler => cx.type_error(format!("don't know how to handle {} in error callback", class.name())),
    }
}

/// The handler with a name; strict and the name itself where there is none, which only matters once there is an error.
pub(crate) fn find_handler(name: Option<&'static [u8]>) -> (Handler, Option<&'static [u8]>) {
    let Some(name) = name else { return (Handler::Strict, None) };
    match std::str::from_utf8(name).ok().and_then(Handler::lookup) {
        Some(handler) => (handler, None),
        None => (Handler::Strict, Some(name)),
    }
}

/// The encodings that `codecs` has beyond those built in, by the names under which no import of it is needed.
const WRITTEN_IN_AIO: [&str; 4] = ["idna", "punycode", "utf_7", "utf7"];

/// The module `codecs`, if it may know what isn't built in: it is loaded, so a script may have registered something, or the encoding
/// is one of its own.
fn registry(cx: &mut Cx, encoding: Option<&[u8]>) -> Result<Option<Root>, Raised> {
    if let Some(module) = cx.find_module("codecs").map(|module| module.raw()) {
        return Ok(Some(cx.push_raw(module)));
    }
    let own = encoding.is_some_and(|name| {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase().replace('-', "_");
        WRITTEN_IN_AIO.contains(&name.as_str())
    });
    if own { cx.import("codecs").map(Some) } else { Ok(None) }
}

/// Has a function of `codecs` work on an object: it is given an encoding, the name of an error handler, and what else there is.
pub(crate) fn ask_codecs(
    cx: &mut Cx,
    function: &str,
    object: Root,
    names: [&str; 2],
    more: &[Root],
) -> Result<Root, Raised> {
    let codecs = cx.import("_codecs")?;
    let names = names.map(|name| {
        let name = cx.str(name).value().raw();
        cx.push_raw(name)
    });
    let args: Vec<Root> = [object].into_iter().chain(names).chain(more.iter().copied()).collect();
    cx.call_method(codecs, function, &args)
}

/// Has `codecs` do what can't be done here: `function` of it, with the object and the names.
fn ask_registry(
    cx: &mut Cx,
    codecs: Root,
    function: &str,
    object: Root,
    encoding: &str,
    errors: Option<Gc<'static, Str>>,
) -> Result<Raw, Raised> {
    let mark = cx.mark();
    let encoding = cx.str(encoding).value().raw();
    let encoding = cx.push_raw(encoding);
    let errors = match errors {
        Some(errors) => errors.value().raw(),
        None => cx.str("strict").value().raw(),
    };
    let errors = cx.push_raw(errors);
    let made = cx.call_method(codecs, function, &[object, encoding, errors])?;
    let made = made.get(cx).raw();
    cx.release(mark);
    Ok(made)
}

/// `text.encode(encoding, errors)`: a bytes object.
pub(crate) fn encode_text(
    cx: &mut Cx,
    object: Root,
    encoding: Option<Gc<'static, Str>>,
    errors: Option<Gc<'static, Str>>,
) -> Result<Raw, Raised> {
    let text = receiver(cx, object, "encode")?;
    let encoding = match encoding {
        Some(name) => match Encoding::lookup(&name.to_str_lossy()) {
            Some(encoding) => encoding,
            None => {
                let bytes = name.as_bytes().to_vec();
                let Some(codecs) = registry(cx, Some(&bytes))? else {
                    return Err(unknown_encoding(cx, &bytes, "encode"));
                };
                return ask_registry(cx, codecs, "_encode_text", object, &String::from_utf8_lossy(&bytes), errors);
            }
        },
        None => Encoding::Utf8,
    };
    let flags = text.aux();
    let as_it_is = flags & ASCII != 0
        && matches!(encoding, Encoding::Utf8 | Encoding::Ascii | Encoding::Latin1 | Encoding::Charmap(_))
        || encoding == Encoding::Utf8 && flags & crate::object::SURROGATES == 0;
    if as_it_is {
        return Ok(Bytes::new(&cx.heap, text.as_bytes()).value().raw());
    }
    let (handler, unknown) = find_handler(errors.map(|e| e.as_bytes()));
    match codec::encode(text.as_bytes(), encoding, handler) {
        Ok(bytes) => Ok(Bytes::new(&cx.heap, &bytes).value().raw()),
        Err(_) if unknown.is_some() && cx.find_module("codecs").is_some() => {
            let codecs = registry(cx, None)?.expect("it is loaded");
            ask_registry(cx, codecs, "_encode_with", object, encoding.name(), errors)
        }
        Err(why) => Err(stopped(cx, Exc::UnicodeEncodeError, object, why, unknown)),
    }
}

/// `bytes.decode(encoding, errors)`: a str. `object` is what the bytes are of, for errors.
pub(crate) fn decode_bytes(
    cx: &mut Cx,
    bytes: &[u8],
    object: Root,
    encoding: Option<Gc<'static, Str>>,
    errors: Option<Gc<'static, Str>>,
) -> Result<Raw, Raised> {
    if bytes.is_empty() {
        // Whatever the encoding is, and whether there is one of that name.
        return Ok(cx.text_raw(b""));
    }
    let encoding = match encoding {
        Some(name) => match Encoding::lookup(&name.to_str_lossy()) {
            Some(encoding) => encoding,
            None => {
                let name = name.as_bytes().to_vec();
                let Some(codecs) = registry(cx, Some(&name))? else {
                    return Err(unknown_encoding(cx, &name, "decode"));
                };
                return ask_registry(cx, codecs, "_decode_bytes", object, &String::from_utf8_lossy(&name), errors);
            }
        },
        None => Encoding::Utf8,
    };
    if bytes.is_ascii()
        && matches!(encoding, Encoding::Utf8 | Encoding::Utf8Sig | Encoding::Ascii | Encoding::Latin1)
        && bytes.len() != 1
    {
        if bytes.len() > MAX_LENGTH {
            return Err(cx.memory_error());
        }
        return Ok(Str::ascii(&cx.heap, bytes).value().raw());
    }
    let (handler, unknown) = find_handler(errors.map(|e| e.as_bytes()));
    match codec::decode(bytes, encoding, handler) {
        Ok(text) => cx.checked_text(&text),
        Err(_) if unknown.is_some() && cx.find_module("codecs").is_some() => {
            let codecs = registry(cx, None)?.expect("it is loaded");
            ask_registry(cx, codecs, "_decode_with", object, encoding.name(), errors)
        }
        Err(why) => {
            // The exception's object is bytes, whatever was decoded.
            let mark = cx.mark();
            let object = if object.get(cx).exact::<Bytes>().is_some() {
                object
            } else {
                let raw = Bytes::new(&cx.heap, bytes).value().raw();
                cx.push_raw(raw)
            };
            let raised = stopped(cx, Exc::UnicodeDecodeError, object, why, unknown);
            cx.release(mark);
            Err(raised)
        }
    }
}

/// An encoding's or handler's name given to a native.
pub(super) fn codec_name(
    cx: &mut Cx,
    given: Option<Root>,
    method: &str,
    param: &str,
) -> Result<Option<Gc<'static, Str>>, Raised> {
    let Some(root) = given else { return Ok(None) };
    match cx.as_str(root.get(cx)) {
        Some(name) if name.as_str().is_none() => {
            // It can't be written in UTF-8.
            encode_text(cx, root, None, None)?;
            Err(cx.value_error("embedded null character"))
        }
        Some(name) if memchr::memchr(0, name.as_bytes()).is_none() => Ok(Some(name.held())),
        Some(_) => Err(cx.value_error("embedded null character")),
        None => {
            let got = cx.type_name_for_error(root.get(cx));
            // The constructor of `str` alone calls None by its class.
            let got = if root.get(cx).is_none() && method != "str" { "None".to_owned() } else { got };
            Err(cx.type_error(format!("{method}() argument '{param}' must be str, not {got}")))
        }
    }
}
