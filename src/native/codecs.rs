//! The module `_codecs_native`: what `codecs` needs of the encodings built in. The rest of it is in `stdlib/codecs.aio`.

use crate::heap::Value;
use crate::native::natives;
use crate::native::types::bytes::bytes_like;
use crate::native::types::text_codec::{find_encoding, find_handler, stopped};
use crate::object::{Bytes, Exc};
use crate::text::codec::{self, Encoding};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_codecs_native").held();
    cx.functions_of(module, &CODECS);
    Ok(())
}

natives!(
    /// The encodings built in.
    pub static CODECS: Functions;

    /// Return the name of an encoding as `lookup` gives it; None if it isn't built in.
    fn normal_name(cx: &mut Cx, encoding: Root) -> NativeResult {
        let name = cx.as_str(encoding.get(cx)).map(|name| name.to_str_lossy().into_owned());
        match name.and_then(|name| Encoding::lookup(&name)) {
            Some(encoding) => Ok(cx.str(encoding.name()).into()),
            None => Ok(Outcome::NONE),
        }
    }

    /// Return the text of bytes and how many of them it took: unless they are the last, an unfinished end is left.
    fn decode_part(cx: &mut Cx, data: Root, encoding: Root, errors: Root, last: bool) -> NativeResult {
        let bytes = bytes_like(cx, data)?.to_vec();
        let (Some(name), Some(errors)) = (cx.as_str(encoding.get(cx)), cx.as_str(errors.get(cx))) else {
            return Err(cx.type_error("names are texts".into()));
        };
        let (name, errors) = (name.as_bytes().to_vec(), errors.held().as_bytes());
        let encoding = find_encoding(cx, &name)?;
        let (handler, unknown) = find_handler(Some(errors));
        let mut out = Vec::with_capacity(bytes.len());
        let mut handle = |error| handler.decode_error(encoding, &bytes, error);
        match codec::decode_part(&bytes, encoding, last, &mut out, &mut handle) {
            Ok(used) => {
                let text = cx.checked_text(&out)?;
                Ok(cx.tuple(&[Value::adopt(text), Value::int(used as i64)]).into())
            }
            Err(why) => {
                let raw = Bytes::new(&cx.heap, &bytes).value().raw();
                let object = cx.push_raw(raw);
                Err(stopped(cx, Exc::UnicodeDecodeError, object, why, unknown))
            }
        }
    }
);
