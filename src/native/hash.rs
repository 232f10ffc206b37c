//! The module `_hash`: the hash functions behind `hashlib`, as objects that take bytes in pieces.

use digest::{DynDigest, ExtendableOutput, Update};

use crate::heap::Value;
use crate::native::natives;
use crate::native::types::bytes::bytes_like;
use crate::object::{Bytes, NativeObject, Payload};
use crate::vm::TypeRow;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};
use sha2::digest;

/// A hash that is being computed.
#[derive(Clone)]
enum State {
    Fixed(Box<dyn DynDigest>),
    Shake128(sha3::Shake128),
    Shake256(sha3::Shake256),
}

impl std::fmt::Debug for State {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("State")
    }
}

impl Payload for State {}

static ROWS: &[TypeRow] = &[TypeRow::native("_hash", "Hash", &[&HASH])];

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    let module = cx.new_module("_hash").held();
    cx.functions_of(module, &HASHES);
    Ok(())
}

fn start(name: &str) -> Option<State> {
    let fixed: Box<dyn DynDigest> = match name {
        "md5" => Box::new(md5::Md5::default()),
        "sha1" => Box::new(sha1::Sha1::default()),
        "sha224" => Box::new(sha2::Sha224::default()),
        "sha256" => Box::new(sha2::Sha256::default()),
        "sha384" => Box::new(sha2::Sha384::default()),
        "sha512" => Box::new(sha2::Sha512::default()),
        "sha512_224" => Box::new(sha2::Sha512_224::default()),
        "sha512_256" => Box::new(sha2::Sha512_256::default()),
        "sha3_224" => Box::new(sha3::Sha3_224::default()),
        "sha3_256" => Box::new(sha3::Sha3_256::default()),
        "sha3_384" => Box::new(sha3::Sha3_384::default()),
        "sha3_512" => Box::new(sha3::Sha3_512::default()),
        "shake_128" => return Some(State::Shake128(Default::default())),
        "shake_256" => return Some(State::Shake256(Default::default())),
        _ => return None,
    };
    Some(State::Fixed(fixed))
}

/// Bytes between two looks at whether to go on: what takes a millisecond.
const PIECE: usize = 1 << 18;

impl State {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            State::Fixed(hash) => hash.update(bytes),
            State::Shake128(hash) => hash.update(bytes),
            State::Shake256(hash) => hash.update(bytes),
        }
    }
}

fn make(cx: &mut Cx, state: State) -> NativeResult {
    let shape = cx.named_class("Hash").get().root_shape.get();
    let object = cx.heap.alloc_slots(NativeObject::new(Box::new(state), 0), |_| Value::NONE);
    object.set_shape(shape);
    Ok(object.value().into())
}

fn with<R>(cx: &Cx, this: Root, work: impl FnOnce(&mut State) -> R) -> R {
    let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver");
    object.with(work).expect("a hash")
}

natives!(
    /// Hash functions.
    pub(crate) static HASHES: Functions;

    /// Begin a hash by its name; None if there is none of that name.
    fn new(cx: &mut Cx, name: Root) -> NativeResult {
        let name = cx.str_text(name)?;
        match start(&name) {
            Some(state) => make(cx, state),
            None => Ok(Outcome::NONE),
        }
    }
);

natives!(
    /// A hash that takes bytes in pieces.
    pub(crate) static HASH: Methods;

    /// Take more bytes.
    fn update(cx: &mut Cx, this: Root, data: Root) -> NativeResult {
        let bytes = bytes_like(cx, data)?;
        if bytes.len() <= PIECE {
            with(cx, this, |state| state.update(&bytes));
            return Ok(Outcome::NONE);
        }
        let bytes = bytes.to_vec();
        for piece in bytes.chunks(PIECE) {
            cx.breathe()?;
            with(cx, this, |state| state.update(piece));
        }
        Ok(Outcome::NONE)
    }

    /// Return the hash of the bytes so far; of those without a fixed length as many bytes as asked for.
    fn digest(cx: &mut Cx, this: Root, length: Root) -> NativeResult {
        let length = cx.index_as_i64(length)?;
        let length = usize::try_from(length).unwrap_or(0);
        if length >= 1 << 29 {
            return Err(cx.value_error("length is too large"));
        }
        let bytes = with(cx, this, |state| match state.clone() {
            State::Fixed(hash) => hash.finalize().into_vec(),
            State::Shake128(hash) => hash.finalize_boxed(length).into_vec(),
            State::Shake256(hash) => hash.finalize_boxed(length).into_vec(),
        });
        Ok(Bytes::new(&cx.heap, &bytes).into())
    }

    /// Return a copy that goes its own way.
    fn copy(cx: &mut Cx, this: Root) -> NativeResult {
        let state = with(cx, this, |state| state.clone());
        make(cx, state)
    }
);
