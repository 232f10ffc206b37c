//! The module `_hash`: the hash functions behind `hashlib`, as objects that take bytes in pieces.

use digest::{DynDigest, ExtendableOutput, Update};

use crate::heap::{Kind, Value};
use crate::native::blake2::Blake2;
use crate::native::natives;
use crate::native::types::bytes::{buffer_of, bytes_like, check_view};
use crate::object::{Bytes, NativeObject, Payload};
use crate::vm::TypeRow;
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};
use sha2::digest;

/// A hash that is being computed.
#[derive(Clone)]
struct State {
    /// Its name, and the bytes of a digest and of a block.
    name: &'static str,
    sizes: (usize, usize),
    function: Function,
}

#[derive(Clone)]
enum Function {
    Fixed(Box<dyn DynDigest>),
    Shake128(sha3::Shake128),
    Shake256(sha3::Shake256),
    Blake2b(Blake2<u64>),
    Blake2s(Blake2<u32>),
}

impl std::fmt::Debug for State {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("State")
    }
}

impl Payload for State {}

static ROWS: &[TypeRow] = &[
    TypeRow::native("_hashlib", "HASH", &[&HASH, &FIXED]),
    TypeRow::native("_hashlib", "HASHXOF", &[&HASH, &EXTENDABLE]).derived("HASH"),
    TypeRow::native("_hash", "Blake2", &[&HASH, &FIXED]),
];

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    let module = cx.new_module("_hash").held();
    cx.functions_of(module, &HASHES);
    for name in ["HASH", "HASHXOF"] {
        let class = cx.named_class(name).value().raw();
        let key = cx.intern(name).held();
        let done = module.dict().set_str(&cx.heap, key, Value::adopt(class));
        cx.fits(done)?;
    }
    Ok(())
}

fn start(name: &str) -> Option<State> {
    fn fixed<T: DynDigest + Default + 'static>(name: &'static str, digest: usize, block: usize) -> State {
        State { name, sizes: (digest, block), function: Function::Fixed(Box::new(T::default())) }
    }
    Some(match name {
        "md5" => fixed::<md5::Md5>("md5", 16, 64),
        "sha1" => fixed::<sha1::Sha1>("sha1", 20, 64),
        "sha224" => fixed::<sha2::Sha224>("sha224", 28, 64),
        "sha256" => fixed::<sha2::Sha256>("sha256", 32, 64),
        "sha384" => fixed::<sha2::Sha384>("sha384", 48, 128),
        "sha512" => fixed::<sha2::Sha512>("sha512", 64, 128),
        "sha512_224" => fixed::<sha2::Sha512_224>("sha512_224", 28, 128),
        "sha512_256" => fixed::<sha2::Sha512_256>("sha512_256", 32, 128),
        "sha3_224" => fixed::<sha3::Sha3_224>("sha3_224", 28, 144),
        "sha3_256" => fixed::<sha3::Sha3_256>("sha3_256", 32, 136),
        "sha3_384" => fixed::<sha3::Sha3_384>("sha3_384", 48, 104),
        "sha3_512" => fixed::<sha3::Sha3_512>("sha3_512", 64, 72),
        "shake_128" => State { name: "shake_128", sizes: (0, 168), function: Function::Shake128(Default::default()) },
        "shake_256" => State { name: "shake_256", sizes: (0, 136), function: Function::Shake256(Default::default()) },
        _ => return None,
    })
}

/// BLAKE2 without a key, in full length.
fn plain_blake2(wide: bool) -> State {
    // The parameters of a hash that is no part of a tree: its length, no key, one leaf, no depth beyond it.
    let size = if wide { 64 } else { 32 };
    let mut parameters = vec![0; size];
    parameters[..4].copy_from_slice(&[size as u8, 0, 1, 1]);
    if wide {
        let function = Function::Blake2b(Blake2::new(&parameters, &[], false));
        State { name: "blake2b", sizes: (size, 2 * size), function }
    } else {
        let function = Function::Blake2s(Blake2::new(&parameters, &[], false));
        State { name: "blake2s", sizes: (size, 2 * size), function }
    }
}

/// Bytes between two looks at whether to go on: what takes a millisecond.
const PIECE: usize = 1 << 18;

impl State {
    fn update(&mut self, bytes: &[u8]) {
        match &mut self.function {
            Function::Fixed(hash) => hash.update(bytes),
            Function::Shake128(hash) => hash.update(bytes),
            Function::Shake256(hash) => hash.update(bytes),
            Function::Blake2b(hash) => hash.update(bytes),
            Function::Blake2s(hash) => hash.update(bytes),
        }
    }

    /// The hash of the bytes so far; of those without a fixed length as many bytes as asked for.
    fn digest(&self, length: usize) -> Vec<u8> {
        match &self.function {
            Function::Fixed(hash) => hash.clone().finalize().into_vec(),
            Function::Shake128(hash) => hash.clone().finalize_boxed(length).into_vec(),
            Function::Shake256(hash) => hash.clone().finalize_boxed(length).into_vec(),
            Function::Blake2b(hash) => hash.digest()[..self.sizes.0].to_vec(),
            Function::Blake2s(hash) => hash.digest()[..self.sizes.0].to_vec(),
        }
    }

    fn class(&self) -> &'static str {
        match self.function {
            Function::Fixed(_) => "HASH",
            Function::Shake128(_) | Function::Shake256(_) => "HASHXOF",
            Function::Blake2b(_) | Function::Blake2s(_) => "Blake2",
        }
    }
}

fn make(cx: &mut Cx, state: State) -> Root {
    let shape = cx.named_class(state.class()).get().root_shape.get();
    let object = cx.heap.alloc_slots(NativeObject::new(Box::new(state), 0), |_| Value::NONE);
    object.set_shape(shape);
    cx.push_raw(object.value().raw())
}

fn with<R>(cx: &Cx, this: Root, work: impl FnOnce(&mut State) -> R) -> R {
    let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver");
    object.with(work).expect("a hash")
}

fn take(cx: &mut Cx, this: Root, data: Root) -> Result<(), Raised> {
    let Some(bytes) = buffer_of(cx, data) else {
        check_view(cx, data)?;
        let message = match data.get(cx).kind() {
            Kind::Str => "Strings must be encoded before hashing",
            _ => "object supporting the buffer API required",
        };
        return Err(cx.type_error(message.to_owned()));
    };
    if bytes.len() <= PIECE {
        with(cx, this, |state| state.update(&bytes));
        return Ok(());
    }
    let bytes = bytes.to_vec();
    for piece in bytes.chunks(PIECE) {
        cx.breathe()?;
        with(cx, this, |state| state.update(piece));
    }
    Ok(())
}

fn digest(cx: &mut Cx, this: Root, length: i64) -> Result<Vec<u8>, Raised> {
    match usize::try_from(length) {
        Ok(length) if length < 1 << 29 => Ok(with(cx, this, |state| state.digest(length))),
        _ => Err(cx.value_error("length is too large")),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text
}

natives!(
    /// Hash functions.
    pub(crate) static HASHES: Functions;

    /// Begin a hash by its name, with first bytes; None if there is none of that name.
    fn begin(cx: &mut Cx, name: Root, data: Root) -> NativeResult {
        let name = cx.str_text(name)?;
        let Some(state) = start(&name) else { return Ok(Outcome::NONE) };
        let made = make(cx, state);
        take(cx, made, data)?;
        Ok(made.get(cx).into())
    }

    /// Begin a BLAKE2 hash, wide or not, with a block of parameters and a key that fills a block.
    fn blake2(cx: &mut Cx, wide: bool, parameters: Root, key: Root, last_node: bool) -> NativeResult {
        let parameters = bytes_like(cx, parameters)?.to_vec();
        let key = bytes_like(cx, key)?.to_vec();
        if !key.is_empty() && key.len() != if wide { 128 } else { 64 } {
            return Err(cx.value_error("a key fills a block"));
        }
        let size = parameters.first().copied().map_or(1, usize::from).clamp(1, if wide { 64 } else { 32 });
        let state = if wide {
            let function = Function::Blake2b(Blake2::new(&parameters, &key, last_node));
            State { name: "blake2b", sizes: (size, 128), function }
        } else {
            let function = Function::Blake2s(Blake2::new(&parameters, &key, last_node));
            State { name: "blake2s", sizes: (size, 64), function }
        };
        let made = make(cx, state);
        Ok(made.get(cx).into())
    }

    /// Return a key of so many bytes for a password: PKCS #5, version 2.
    fn pbkdf2(cx: &mut Cx, name: Root, password: Root, salt: Root, iterations: i64, length: i64) -> NativeResult {
        let name = cx.str_text(name)?;
        let password = bytes_like(cx, password)?.to_vec();
        let salt = bytes_like(cx, salt)?.to_vec();
        let plain = match (&*name, start(&name)) {
            (_, Some(plain)) => plain,
            ("blake2b", None) => plain_blake2(true),
            ("blake2s", None) => plain_blake2(false),
            (_, None) => return Ok(Outcome::NONE),
        };
        if plain.sizes.0 == 0 {
            // One whose length is chosen, as `shake_128`: in OpenSSL's words.
            return Err(cx.value_error("no reason supplied"));
        }
        let length = usize::try_from(length).unwrap_or(0);
        cx.check_room(length)?;
        let mut key = password;
        if key.len() > plain.sizes.1 {
            let mut hash = plain.clone();
            hash.update(&key);
            key = hash.digest(0);
        }
        key.resize(plain.sizes.1, 0);
        let keyed = |with: u8| {
            let mut hash = plain.clone();
            hash.update(&key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>());
            hash
        };
        let (inner, outer) = (keyed(0x36), keyed(0x5c));
        let mac = |bytes: &[u8]| {
            let (mut inner, mut outer) = (inner.clone(), outer.clone());
            inner.update(bytes);
            outer.update(&inner.digest(0));
            outer.digest(0)
        };
        let mut out = Vec::with_capacity(length);
        let mut number = 1u32;
        while out.len() < length {
            cx.poll_at(number as usize)?;
            let mut block = mac(&[salt.as_slice(), &number.to_be_bytes()].concat());
            let mut total = block.clone();
            for round in 1..iterations {
                if round % 1024 == 0 {
                    cx.breathe()?;
                }
                block = mac(&block);
                total.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
            }
            out.extend_from_slice(&total);
            number += 1;
        }
        out.truncate(length);
        Ok(Bytes::new(&cx.heap, &out).into())
    }
);

natives!(
    /// A hash that takes bytes in pieces.
    pub(crate) static HASH: Methods;

    /// The name of its function.
    #[getter]
    fn name(cx: &mut Cx, this: Root) -> NativeResult {
        let name = with(cx, this, |state| state.name);
        Ok(cx.intern(name).value().into())
    }

    /// How many bytes a digest has.
    #[getter]
    fn digest_size(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((with(cx, this, |state| state.sizes.0) as i64).into())
    }

    /// How many bytes are taken in at once.
    #[getter]
    fn block_size(cx: &mut Cx, this: Root) -> NativeResult {
        Ok((with(cx, this, |state| state.sizes.1) as i64).into())
    }

    /// Take more bytes.
    fn update(cx: &mut Cx, this: Root, data: Root) -> NativeResult {
        take(cx, this, data)?;
        Ok(Outcome::NONE)
    }

    /// Return a copy that goes its own way.
    fn copy(cx: &mut Cx, this: Root) -> NativeResult {
        let state = with(cx, this, |state| state.clone());
        let made = make(cx, state);
        Ok(made.get(cx).into())
    }

    /// Return repr(self).
    fn __repr__(cx: &mut Cx, this: Root) -> NativeResult {
        let class = cx.class_of(this.get(cx)).name().to_str_lossy().into_owned();
        let name = with(cx, this, |state| state.name);
        let id = cx.heap.id(this.get(cx));
        Ok(Outcome::Value(cx.text_raw(format!("<{name} _hashlib.{class} object @ {id:#x}>").as_bytes())))
    }
);

natives!(
    /// A hash of a fixed length.
    pub(crate) static FIXED: Methods;

    /// Return the hash of the bytes so far.
    #[name("digest")]
    fn digest_fixed(cx: &mut Cx, this: Root) -> NativeResult {
        let bytes = digest(cx, this, 0)?;
        Ok(Bytes::new(&cx.heap, &bytes).into())
    }

    /// Return the same in hexadecimal digits.
    #[name("hexdigest")]
    fn hexdigest_fixed(cx: &mut Cx, this: Root) -> NativeResult {
        let bytes = digest(cx, this, 0)?;
        Ok(Outcome::Value(cx.text_raw(hexadecimal(&bytes).as_bytes())))
    }
);

natives!(
    /// A hash of which as many bytes can be had as wanted.
    pub(crate) static EXTENDABLE: Methods;

    /// Return so many bytes of the hash of the bytes so far.
    #[name("digest")]
    fn digest_of(cx: &mut Cx, this: Root, #[either] length: i64) -> NativeResult {
        let bytes = digest(cx, this, length)?;
        Ok(Bytes::new(&cx.heap, &bytes).into())
    }

    /// Return the same in hexadecimal digits.
    #[name("hexdigest")]
    fn hexdigest_of(cx: &mut Cx, this: Root, #[either] length: i64) -> NativeResult {
        let bytes = digest(cx, this, length)?;
        Ok(Outcome::Value(cx.text_raw(hexadecimal(&bytes).as_bytes())))
    }
);
