//! The module `_random`: the generator under the library's `random`.

use crate::heap::{Gc, Value};
use crate::native::natives;
use crate::native::types::int_outcome;
use crate::number::mersenne::Mersenne;
use crate::object::key::as_int_ref;
use crate::object::{ByteArray, Bytes, Class, NativeObject, Payload, Tuple};
use crate::vm::TypeRow;
use crate::vm::native::{Cx, KeywordRest, NativeResult, Outcome, Raised, Rest, Root};

impl Payload for Mersenne {}

static ROWS: &[TypeRow] = &[TypeRow::native("_random", "Random", &[&RANDOM])];

/// Makes the module.
pub fn install(cx: &mut Cx) -> Result<(), Raised> {
    cx.install_types(ROWS);
    let module = cx.new_module("_random").held();
    let class = cx.named_class("Random").held();
    let key = cx.intern("Random").held();
    let done = module.dict().set_str(&cx.heap, key, class.value());
    cx.fits(done)
}

fn with<R>(cx: &Cx, this: Root, work: impl FnOnce(&mut Mersenne) -> R) -> R {
    let object = this.get(cx).exact::<NativeObject>().expect("a method's receiver");
    object.with(work).expect("a generator")
}

/// A generator seeded from the host.
fn from_host(cx: &mut Cx) -> Result<Mersenne, Raised> {
    let mut bytes = vec![0; 2496];
    if let Err(error) = cx.host_mut().random_bytes(&mut bytes) {
        return Err(crate::native::types::exception::io_error(cx, &error, None));
    }
    let words: Vec<u32> = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Ok(Mersenne::from_key(&words))
}

/// The generator a seed stands for.
fn from_seed(cx: &mut Cx, seed: Root) -> Result<Mersenne, Raised> {
    let value = cx.payload(seed.get(cx));
    if value.is_none() {
        return from_host(cx);
    }
    if let Some(int) = as_int_ref(value) {
        return Ok(Mersenne::from_int(int));
    }
    if let Some(text) = cx.as_str(value) {
        return Ok(Mersenne::from_bytes(text.as_bytes()));
    }
    if let Some(bytes) = value.exact::<Bytes>() {
        return Ok(Mersenne::from_bytes(bytes.as_bytes()));
    }
    if let Some(array) = value.exact::<ByteArray>() {
        return Ok(Mersenne::from_bytes(&array.to_vec()));
    }
    let hash = cx.hash(seed)?;
    Ok(Mersenne::from_hash(hash))
}

natives!(
    /// A Mersenne Twister with a state of its own.
    pub static RANDOM: Methods;

    /// Make a generator, seeded from the host until `seed` is called.
    #[fixed]
    fn __new__(cx: &mut Cx, class: Root, args: Rest, kwargs: KeywordRest) -> NativeResult {
        let base = cx.named_class("Random").held();
        cx.check_new(class, base)?;
        let generator = match args.0.roots().next() {
            // What seeds is the class's own `seed` where it is derived: this one is only for generators as they are.
            Some(seed) if class.get(cx).exact::<Class>() == Some(base) => from_seed(cx, seed)?,
            _ => from_host(cx)?,
        };
        let shape = class.get(cx).exact::<Class>().expect("checked").get().root_shape.get();
        let object: Gc<'_, NativeObject> =
            cx.heap.alloc_slots(NativeObject::new(Box::new(generator), 0), |_| Value::NONE);
        object.set_shape(shape);
        Ok(object.into())
    }

    /// Start the sequence that belongs to a seed: an int, float, str, bytes or bytearray; with None one that nobody can know.
    fn seed(cx: &mut Cx, this: Root, #[text("None")] n: Option<Root>) -> NativeResult {
        let seed = n.unwrap_or_else(|| cx.push(Value::NONE));
        let generator = from_seed(cx, seed)?;
        with(cx, this, |own| *own = generator);
        Ok(Outcome::NONE)
    }

    /// random() -> x in the interval [0, 1).
    fn random(cx: &mut Cx, this: Root) -> NativeResult {
        Ok(with(cx, this, Mersenne::random).into())
    }

    /// An int made of k random bits.
    fn getrandbits(cx: &mut Cx, this: Root, k: Root) -> NativeResult {
        let k = cx.index(k)?;
        let bits = match as_int_ref(k.get(cx)) {
            Some(int) if int.signum() < 0 => return Err(cx.value_error("Cannot convert negative int")),
            Some(int) => int.to_i64().unwrap_or(i64::MAX) as u64,
            None => 0,
        };
        match with(cx, this, |own| own.bits(bits)) {
            Ok(int) => Ok(int_outcome(&cx.heap, int)),
            Err(fault) => Err(cx.fault(fault)),
        }
    }

    /// Return an int below a positive int, each equally likely.
    fn _below(cx: &mut Cx, this: Root, limit: Root) -> NativeResult {
        let limit = cx.index(limit)?;
        let limit = as_int_ref(limit.get(cx)).expect("index gives an int");
        if limit.signum() <= 0 {
            return Err(cx.value_error("the limit must be positive"));
        }
        match with(cx, this, |own| own.below_int(limit)) {
            Ok(int) => Ok(int_outcome(&cx.heap, int)),
            Err(fault) => Err(cx.fault(fault)),
        }
    }

    /// The state, as a tuple that setstate() takes.
    fn getstate(cx: &mut Cx, this: Root) -> NativeResult {
        let numbers = with(cx, this, |own| {
            let (words, index) = own.state();
            words.iter().map(|word| i64::from(*word)).chain([index as i64]).collect::<Vec<i64>>()
        });
        Ok(Tuple::build(&cx.heap, numbers.len(), |i| Value::int(numbers[i])).into())
    }

    /// Go back to a state that getstate() gave.
    fn setstate(cx: &mut Cx, this: Root, state: Root) -> NativeResult {
        let Some(tuple) = cx.payload(state.get(cx)).exact::<Tuple>() else {
            return Err(cx.type_error("state vector must be a tuple".into()));
        };
        let numbers: Vec<Option<i64>> = tuple.items().map(|item| item.as_int()).collect();
        if numbers.len() != 625 {
            return Err(cx.value_error("state vector is the wrong size"));
        }
        if numbers.contains(&None) {
            return Err(cx.type_error("an integer is required".into()));
        }
        let words: Vec<u32> = numbers[..624].iter().map(|n| n.unwrap_or(0) as u32).collect();
        let index = usize::try_from(numbers[624].unwrap_or(-1)).ok();
        match index.and_then(|index| Mersenne::from_state(&words, index)) {
            Some(generator) => {
                with(cx, this, |own| *own = generator);
                Ok(Outcome::NONE)
            }
            None => Err(cx.value_error("invalid state")),
        }
    }
);
