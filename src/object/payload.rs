//! Objects with a Rust payload: files, sockets, deques and whatever else natives define without a layout of their own.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Debug;

use crate::heap::{Gc, Raw, Ref, Tracer};
use crate::object::Dict;

/// What a native keeps in an object. Values it holds outside of the object's slots are visited by `trace`.
pub trait Payload: Any + Debug {
    /// Visits the values it holds.
    fn trace(&self, tracer: &mut Tracer<'_>) {
        let _ = tracer;
    }
}

/// An object with a Rust payload, and slots for the values it refers to. Its class is in the shape of its header.
#[derive(Debug)]
pub struct NativeObject {
    /// The payload.
    pub payload: RefCell<Box<dyn Payload>>,
    /// Attributes set on it, if its class allows.
    pub dict: Ref<Dict>,
    len: u16,
}

crate::cell! { NativeObject: NativeObject { slots: [], refs: [dict] } tail SlotTail by |o| usize::from(o.len),
with |object, tracer| { object.payload.borrow().trace(tracer); } }

impl NativeObject {
    /// An object with this payload and `len` slots.
    pub fn new(payload: Box<dyn Payload>, len: u16) -> NativeObject {
        NativeObject { payload: RefCell::new(payload), dict: Ref::none(), len }
    }
}

impl Gc<'_, NativeObject> {
    /// Works with the payload, if it is a `T`. Must not be called while another call of it is going on for the same object.
    pub fn with<T: Payload, R>(self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut payload = self.get().payload.borrow_mut();
        let any: &mut dyn Any = payload.as_mut();
        any.downcast_mut::<T>().map(work)
    }
}

/// A list of bare values that a payload traces.
pub fn trace_all<'a>(tracer: &mut Tracer<'_>, values: impl IntoIterator<Item = &'a Raw>) {
    for raw in values {
        tracer.raw(*raw);
    }
}
