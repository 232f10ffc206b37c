//! Comparison, truth and hash of values: out of line, with the full protocols (see `ops.rs`).

use num_bigint::BigInt as Big;

use crate::heap::{Kind, Raw, Slot, Value};
use crate::number::int::{self as integer, Int};
use crate::object::key::{as_int_ref, equal_without_script, hash_without_script};
use crate::object::{
    ByteArray, Bytes, Complex, Deque, Dict, Found, FrozenSet, List, Probe, Range, Set, Slice, Str, Tuple, int_value,
};

use super::call::Invoked;
use super::drain::row_of;
use super::native::{Args, NativeResult, Outcome, Raised, Resumed, Root, Then};
use super::numeric::len_value;
use super::ops::{compare_next, is_closed, is_number};
use super::{Name, Vm};

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the operators")]
pub enum CompareKind {
    Lt,
    Le,
    Eq,
    Ne,
    Gt,
    Ge,
}

impl CompareKind {
    /// Every comparison, by number.
    pub const ALL: [CompareKind; 6] = [Self::Lt, Self::Le, Self::Eq, Self::Ne, Self::Gt, Self::Ge];

    pub(super) fn name(self) -> Name {
        [Name::Lt, Name::Le, Name::Eq, Name::Ne, Name::Gt, Name::Ge][self as usize]
    }

    pub(super) fn reflected(self) -> CompareKind {
        [Self::Gt, Self::Ge, Self::Eq, Self::Ne, Self::Lt, Self::Le][self as usize]
    }

    /// The operator as text.
    pub fn sign(self) -> &'static str {
        ["<", "<=", "==", "!=", ">", ">="][self as usize]
    }

    /// What the comparison says of an ordering.
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
            Self::Eq => ordering.is_eq(),
            Self::Ne => ordering.is_ne(),
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
        }
    }
}

/// `a OP b` of two exact texts.
#[inline]
fn compare_texts(kind: CompareKind, x: Value<'_>, y: Value<'_>) -> Option<bool> {
    let (a, b) = (x.exact::<Str>()?, y.exact::<Str>()?);
    Some(match kind {
        CompareKind::Eq => a.equals(b),
        CompareKind::Ne => !a.equals(b),
        // Generalised UTF-8 orders as code points do.
        _ => kind.holds(a.as_bytes().cmp(b.as_bytes())),
    })
}

impl Vm {
    // ---- comparison ----

    /// `a OP b` for exact builtin types; None where they do not go together. Items may be compared by scripts, nested.
    pub fn builtin_compare(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Option<bool>, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if is_number(x) && is_number(y) && !x.is_subclassed() && !y.is_subclassed() {
            if x.kind() == Kind::Complex || y.kind() == Kind::Complex {
                return Ok(match kind {
                    CompareKind::Eq => equal_without_script(x, y, 0),
                    CompareKind::Ne => equal_without_script(x, y, 0).map(|e| !e),
                    _ => None,
                });
            }
            let ordering = match (as_int_ref(x), as_int_ref(y)) {
                (Some(a), Some(b)) => Some(integer::compare(a, b)),
                (Some(a), None) => a.compare_float(y.as_float().unwrap_or(f64::NAN)),
                (None, Some(b)) => b.compare_float(x.as_float().unwrap_or(f64::NAN)).map(std::cmp::Ordering::reverse),
                (None, None) => x.as_float().partial_cmp(&y.as_float()),
            };
            return Ok(Some(match ordering {
                Some(ordering) => kind.holds(ordering),
                None => kind == CompareKind::Ne,
            }));
        }
        let (x, y) = (self.payload(x).raw(), self.payload(y).raw());
        let (x, y) = (Value::adopt(x), Value::adopt(y));
        match (x.kind(), y.kind()) {
            (Kind::Str, Kind::Str) => {
                let (a, b) = (x.exact::<Str>().expect("a str"), y.exact::<Str>().expect("a str"));
                Ok(Some(match kind {
                    CompareKind::Eq => a.equals(b),
                    CompareKind::Ne => !a.equals(b),
                    // Generalised UTF-8 orders as code points do.
                    _ => kind.holds(a.as_bytes().cmp(b.as_bytes())),
                }))
            }
            (Kind::Bytes | Kind::ByteArray, Kind::Bytes | Kind::ByteArray) => {
                let (a, b) = (self.bytes_like(x), self.bytes_like(y));
                Ok(Some(kind.holds(a.cmp(&b))))
            }
            (Kind::List, Kind::List) | (Kind::Tuple, Kind::Tuple) => {
                self.compare_sequences(kind, x.raw(), y.raw(), true).map(|holds| Some(holds.same(Raw::TRUE)))
            }
            (Kind::Dict, Kind::Dict) => match kind {
                CompareKind::Eq => self.dicts_equal(x.raw(), y.raw()).map(Some),
                CompareKind::Ne => self.dicts_equal(x.raw(), y.raw()).map(|e| Some(!e)),
                _ => Ok(None),
            },
            (Kind::Set | Kind::FrozenSet, Kind::Set | Kind::FrozenSet) => {
                self.compare_sets(kind, x.raw(), y.raw()).map(Some)
            }
            (Kind::DictView, Kind::DictView | Kind::Set | Kind::FrozenSet)
            | (Kind::Set | Kind::FrozenSet, Kind::DictView) => self.compare_views(kind, x.raw(), y.raw()),
            (Kind::Range, Kind::Range) => match kind {
                CompareKind::Eq | CompareKind::Ne => {
                    let equal = self.ranges_equal(x, y);
                    Ok(Some(equal == (kind == CompareKind::Eq)))
                }
                _ => Ok(None),
            },
            (Kind::Slice, Kind::Slice) => {
                self.compare_slices(kind, x.raw(), y.raw(), true).map(|holds| Some(holds.same(Raw::TRUE)))
            }
            (Kind::BoundMethod, Kind::BoundMethod) if matches!(kind, CompareKind::Eq | CompareKind::Ne) => {
                let (a, b) = (
                    x.exact::<crate::object::BoundMethod>().expect("a method"),
                    y.exact::<crate::object::BoundMethod>().expect("a method"),
                );
                let same = a.function.get().is(b.function.get()) && a.receiver.get().is(b.receiver.get());
                Ok(Some(same == (kind == CompareKind::Eq)))
            }
            (Kind::Union | Kind::GenericAlias, Kind::Union | Kind::GenericAlias)
                if matches!(kind, CompareKind::Eq | CompareKind::Ne) =>
            {
                self.aliases_equal(x.raw(), y.raw()).map(|e| Some(e == (kind == CompareKind::Eq)))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn aliases_equal(&mut self, a: Raw, b: Raw) -> Result<bool, Raised> {
        use crate::object::{GenericAlias, Union};
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        let mark = self.mark();
        let result = if let (Some(x), Some(y)) = (x.exact::<GenericAlias>(), y.exact::<GenericAlias>()) {
            let parts = [x.origin.get().raw(), y.origin.get().raw(), x.args.get().raw(), y.args.get().raw()];
            let roots = parts.map(|p| self.push_raw(p));
            self.equals(roots[0], roots[1])? && self.equals(roots[2], roots[3])?
        } else if let (Some(x), Some(y)) = (x.exact::<Union>(), y.exact::<Union>()) {
            let items = |t: Value<'_>| -> Vec<Raw> {
                t.exact::<Tuple>().map_or(vec![], |t| t.items().map(|v| v.raw()).collect())
            };
            let (xs, ys) = (items(x.args.get()), items(y.args.get()));
            let xs: Vec<Root> = xs.into_iter().map(|x| self.push_raw(x)).collect();
            let ys: Vec<Root> = ys.into_iter().map(|y| self.push_raw(y)).collect();
            let mut equal = xs.len() == ys.len();
            'types: for x in &xs {
                for y in &ys {
                    if self.equals(*x, *y)? {
                        continue 'types;
                    }
                }
                equal = false;
                break;
            }
            equal
        } else {
            false
        };
        self.release(mark);
        Ok(result)
    }

    /// `a OP b` as a value: what comparing the first items that differ gives is handed on as it is.
    pub fn builtin_compare_value(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Option<Raw>, Raised> {
        let (x, y) = (self.payload(Value::adopt(a)), self.payload(Value::adopt(b)));
        if matches!((x.kind(), y.kind()), (Kind::List, Kind::List) | (Kind::Tuple, Kind::Tuple)) {
            let (x, y) = (x.raw(), y.raw());
            return self.compare_sequences(kind, x, y, false).map(Some);
        }
        if (x.kind(), y.kind()) == (Kind::Slice, Kind::Slice) {
            let (x, y) = (x.raw(), y.raw());
            return self.compare_slices(kind, x, y, false).map(Some);
        }
        Ok(self.builtin_compare(kind, a, b)?.map(Raw::bool))
    }

    /// Slices, as the tuples of their parts; one is the same as itself without its parts being asked.
    fn compare_slices(&mut self, kind: CompareKind, a: Raw, b: Raw, truth: bool) -> Result<Raw, Raised> {
        if a.same(b) {
            return Ok(Raw::bool(kind.holds(std::cmp::Ordering::Equal)));
        }
        let parts = [a, b].map(|slice| {
            let slice = Value::adopt(slice).exact::<Slice>().expect("a slice");
            Tuple::new(&self.heap, &[slice.start.get(), slice.stop.get(), slice.step.get()]).value().raw()
        });
        let [a, b] = parts;
        self.compare_sequences(kind, a, b, truth)
    }

    /// Lists or tuples, item by item; both exact. With `truth` the result is a bool.
    fn compare_sequences(&mut self, kind: CompareKind, a: Raw, b: Raw, truth: bool) -> Result<Raw, Raised> {
        self.check_stack()?;
        let mark = self.mark();
        let (ra, rb) = (self.push_raw(a), self.push_raw(b));
        let len = |cx: &Vm, r: Root| {
            let v = r.get(cx);
            v.exact::<List>().map_or_else(|| v.exact::<Tuple>().map_or(0, |t| t.len()), |l| l.len())
        };
        let item = |cx: &Vm, r: Root, i: usize| -> Option<Raw> {
            let v = r.get(cx);
            match v.exact::<List>() {
                Some(list) => list.item(i).map(|v| v.raw()),
                None => v.exact::<Tuple>().filter(|t| i < t.len()).map(|t| t.item(i).raw()),
            }
        };
        if matches!(kind, CompareKind::Eq | CompareKind::Ne)
            && Value::adopt(a).kind() == Kind::List
            && len(self, ra) != len(self, rb)
        {
            self.release(mark);
            return Ok(Raw::bool(kind == CompareKind::Ne));
        }
        let mut at = 0;
        let different = loop {
            let rows = [ra, rb].map(|r| row_of(Value::adopt(r.get(self).raw())).get(at..).unwrap_or_default());
            at += equal_at_once(rows);
            let (Some(x), Some(y)) = (item(self, ra, at), item(self, rb, at)) else { break None };
            // Identity is enough, as in CPython: for what is not equal to itself, too.
            if !x.same(y) {
                let equal = match equal_without_script(Value::adopt(x), Value::adopt(y), 0) {
                    Some(equal) => equal,
                    None => {
                        let inner = self.mark();
                        let (x, y) = (self.push_raw(x), self.push_raw(y));
                        let equal = self.equals(x, y)?;
                        self.release(inner);
                        equal
                    }
                };
                if !equal {
                    // What was compared may have made a list shorter: then only the lengths count.
                    let gone = at >= len(self, ra) || at >= len(self, rb);
                    break if gone { None } else { Some((x, y)) };
                }
            }
            at += 1;
        };
        let result = match different {
            None => Raw::bool(kind.holds(len(self, ra).cmp(&len(self, rb)))),
            Some(_) if kind == CompareKind::Eq => Raw::FALSE,
            Some(_) if kind == CompareKind::Ne => Raw::TRUE,
            Some((x, y)) => {
                let (x, y) = (self.push_raw(x), self.push_raw(y));
                if truth {
                    Raw::bool(self.compare_roots(kind, x, y)?)
                } else {
                    self.compare_value(kind, x, y)?.get(self).raw()
                }
            }
        };
        self.release(mark);
        Ok(result)
    }

    pub(super) fn ranges_equal(&self, x: Value<'_>, y: Value<'_>) -> bool {
        if let (Some((a, by, n)), Some((b, step, m))) = (small_range(x), small_range(y)) {
            return n == m && (n == 0 || (a == b && (n == 1 || by == step)));
        }
        let parts = |v: Value<'_>| {
            let r = v.exact::<Range>().expect("a range");
            let big = |v: Value<'_>| as_int_ref(v).map_or_else(Big::default, |i| i.to_big().into_owned());
            (big(r.start.get()), big(r.stop.get()), big(r.step.get()))
        };
        let ((a, b, s), (c, d, t)) = (parts(x), parts(y));
        let zero = Big::default();
        let len = |start: &Big, stop: &Big, step: &Big| -> Big {
            let (low, high, by) = if *step > zero {
                (start.clone(), stop.clone(), step.clone())
            } else {
                (stop.clone(), start.clone(), -step)
            };
            if low >= high { zero.clone() } else { (high - low - 1u8) / by + 1u8 }
        };
        let (n, m) = (len(&a, &b, &s), len(&c, &d, &t));
        n == m && (n == zero || (a == c && (n == Big::from(1u8) || s == t)))
    }

    /// `a OP b` out of line.
    pub(super) fn compare(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Invoked, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if let Some(holds) = compare_texts(kind, x, y) {
            return Ok(Invoked::Value(Raw::bool(holds)));
        }
        if is_compared_here(x) && is_compared_here(y) {
            if let Some(result) = self.builtin_compare_value(kind, a, b)? {
                return Ok(Invoked::Value(result));
            }
            return self.compare_fallback(kind, a, b).map(Invoked::Value);
        }
        if let Some(holds) = self.compare_at_once(kind, a, b) {
            return Ok(Invoked::Value(Raw::bool(holds)));
        }
        if let Some(holds) = self.dicts_at_once(kind, x, y) {
            return Ok(Invoked::Value(Raw::bool(holds)));
        }
        let declined = self.has_declined();
        if !declined {
            if let Some((kind, x, y)) = self.leave_comparison_to_builtin(kind, a, b)
                && let Some(result) = self.builtin_compare_value(kind, x, y)?
            {
                return Ok(Invoked::Value(result));
            }
            if let Some(raw) = self.operate_by_native((kind.name(), kind.reflected().name()), a, b) {
                return Ok(Invoked::Value(raw));
            }
            if let Some(invoked) = self.operate_by_method(kind.name(), a, b)? {
                return Ok(invoked);
            }
        }
        let start = self.fiber.top;
        let outcome = self.compare_outcome_after(kind, a, b, false, declined)?;
        self.carry_out(outcome, start)
    }

    /// The values of builtin types to compare for instances of classes that are derived from one such type, or for one of these and one of that
    /// type, if the classes leave this comparison as it is; None for any other. The value of a derived class comes first, as its method does.
    fn leave_comparison_to_builtin(&self, kind: CompareKind, a: Raw, b: Raw) -> Option<(CompareKind, Raw, Raw)> {
        let (x, y) = (Value::<'static>::adopt(a), Value::<'static>::adopt(b));
        let builtin = matches!(x.kind(), Kind::Tuple | Kind::Str | Kind::Int | Kind::Float | Kind::Bytes | Kind::List);
        if !builtin || x.kind() != y.kind() || !x.is_subclassed() && !y.is_subclassed() {
            return None;
        }
        for (value, name) in [(x, kind.name()), (y, kind.reflected().name())] {
            if value.is_subclassed() && !self.leaves_to_builtin(value, name) {
                return None;
            }
        }
        let (class_x, class_y) = (self.class_of(x), self.class_of(y));
        let payloads = (self.payload(x).raw(), self.payload(y).raw());
        Some(if class_x != class_y && class_y.held().is_subclass(class_x.held()) {
            (kind.reflected(), payloads.1, payloads.0)
        } else {
            (kind, payloads.0, payloads.1)
        })
    }

    /// Whether a class derived from a builtin type leaves a method as it is there.
    pub(crate) fn leaves_to_builtin(&self, value: Value<'_>, name: Name) -> bool {
        let found = self.lookup_class_with_owner(self.class_of(value), self.name(name));
        found.is_some_and(|(_, owner)| owner == self.kind_class(value.kind()))
    }

    /// Whether two small dicts are equal, or not, where no script has a say in it.
    fn dicts_at_once(&self, kind: CompareKind, a: Value<'_>, b: Value<'_>) -> Option<bool> {
        const MOST: usize = 256;
        let negated = match kind {
            CompareKind::Eq => false,
            CompareKind::Ne => true,
            _ => return None,
        };
        let (a, b) = (a.exact::<Dict>()?, b.exact::<Dict>()?);
        if a.len() != b.len() {
            return Some(negated);
        }
        if a.used() > MOST {
            return None;
        }
        for at in 0..a.used() {
            let Some((key, value)) = a.entry(at) else { continue };
            match b.find_from(&self.heap, a.entry_hash(at), key, Probe::START) {
                Found::Entry(found) => {
                    let other = b.value_at(found);
                    if !value.is(other) && !equal_without_script(value, other, 0)? {
                        return Some(negated);
                    }
                }
                Found::Missing => return Some(negated),
                Found::Ask(..) => return None,
            }
        }
        Some(!negated)
    }

    /// As `compare`, with a bool as result.
    pub(super) fn compare_truth(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Invoked, Raised> {
        let (x, y) = (Value::adopt(a), Value::adopt(b));
        if let Some(holds) = compare_texts(kind, x, y) {
            return Ok(Invoked::Value(Raw::bool(holds)));
        }
        if is_compared_here(x) && is_compared_here(y) {
            if let Some(holds) = self.builtin_compare(kind, a, b)? {
                return Ok(Invoked::Value(Raw::bool(holds)));
            }
            return self.compare_fallback(kind, a, b).map(Invoked::Value);
        }
        if let Some(holds) = self.compare_at_once(kind, a, b) {
            return Ok(Invoked::Value(Raw::bool(holds)));
        }
        if let Some(holds) = self.dicts_at_once(kind, x, y) {
            return Ok(Invoked::Value(Raw::bool(holds)));
        }
        let declined = self.has_declined();
        if !declined {
            if let Some((kind, x, y)) = self.leave_comparison_to_builtin(kind, a, b)
                && let Some(holds) = self.builtin_compare(kind, x, y)?
            {
                return Ok(Invoked::Value(Raw::bool(holds)));
            }
            if let Some(invoked) = self.operate_by_method(kind.name(), a, b)? {
                return Ok(invoked);
            }
        }
        let start = self.fiber.top;
        let outcome = self.compare_outcome_after(kind, a, b, true, declined)?;
        self.carry_out(outcome, start)
    }

    pub(super) fn compare_fallback(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Raw, Raised> {
        match kind {
            CompareKind::Eq => Ok(Raw::bool(a.same(b))),
            CompareKind::Ne => Ok(Raw::bool(!a.same(b))),
            _ => {
                let (x, y) = (self.type_name_for_error(Value::adopt(a)), self.type_name_for_error(Value::adopt(b)));
                let sign = kind.sign();
                Err(self.type_error(format!("'{sign}' not supported between instances of '{x}' and '{y}'")))
            }
        }
    }

    /// The protocol. The window holds: a, b, kind and flags, then method, receiver, argument and whether to invert for each thing left to
    /// try, last first.
    pub fn compare_outcome(&mut self, kind: CompareKind, a: Raw, b: Raw, truth: bool) -> NativeResult {
        self.compare_outcome_after(kind, a, b, truth, false)
    }

    /// As `compare_outcome`; `declined` if the first method that would be asked was asked already.
    fn compare_outcome_after(
        &mut self,
        kind: CompareKind,
        a: Raw,
        b: Raw,
        truth: bool,
        declined: bool,
    ) -> NativeResult {
        let start = self.fiber.top;
        self.push_raw(a);
        self.push_raw(b);
        self.push_raw(Raw::int(kind as i64 * 2 + i64::from(truth)));
        let (class_a, class_b) = (self.class_of(Value::adopt(a)).held(), self.class_of(Value::adopt(b)).held());
        let object = self.types.object;
        let find = |class, kind: CompareKind| -> Option<(Raw, bool)> {
            let name = self.name(kind.name()).held();
            let (method, owner) = self.lookup_class_with_owner(class, name)?;
            let (method, from_object) = (method.raw(), owner.value().raw().same(object));
            if !from_object {
                return Some((method, false));
            }
            if kind != CompareKind::Ne {
                return None;
            }
            // object's `!=` is the opposite of the class's `==`.
            let name = self.name(Name::Eq).held();
            let (method, owner) = self.lookup_class_with_owner(class, name)?;
            (!owner.value().raw().same(object)).then(|| (method.raw(), true))
        };
        let own = find(class_a, kind).map(|(m, invert)| (m, a, b, invert));
        let reflected = find(class_b, kind.reflected()).map(|(m, invert)| (m, b, a, invert));
        let first = class_a != class_b && class_b.is_subclass(class_a) && reflected.is_some();
        let mut tries = if first { [reflected, own] } else { [own, reflected] };
        if declined && let Some(first) = tries.iter_mut().find(|asked| asked.is_some()) {
            *first = None;
        }
        for (method, receiver, argument, invert) in tries.into_iter().rev().flatten() {
            self.push_raw(method);
            self.push_raw(receiver);
            self.push_raw(argument);
            self.push_raw(Raw::bool(invert));
        }
        compare_next(self, Args { start, count: self.fiber.top - start }, None)
    }

    /// What `a OP b` gives, which need not be a bool: nested.
    pub fn compare_value(&mut self, kind: CompareKind, a: Root, b: Root) -> Result<Root, Raised> {
        let (a, b) = (a.get(self).raw(), b.get(self).raw());
        let raw = match (Value::adopt(a).as_int(), Value::adopt(b).as_int()) {
            (Some(a), Some(b)) => Raw::bool(kind.holds(a.cmp(&b))),
            _ => self.run_nested(|cx| cx.compare(kind, a, b))?,
        };
        Ok(self.push_raw(raw))
    }

    /// `a == b`, nested. Identical objects are not equal by themselves here: see `same_or_equal`.
    pub fn equals(&mut self, a: Root, b: Root) -> Result<bool, Raised> {
        let (x, y) = (a.get(self).raw(), b.get(self).raw());
        if let Some(equal) = equal_without_script(Value::adopt(x), Value::adopt(y), 0) {
            return Ok(equal);
        }
        self.compare_roots(CompareKind::Eq, a, b)
    }

    /// `a is b or a == b`, nested: what containers ask.
    pub fn same_or_equal(&mut self, a: Root, b: Root) -> Result<bool, Raised> {
        if a.get(self).is(b.get(self)) { Ok(true) } else { self.equals(a, b) }
    }

    /// The truth of `a OP b`, nested.
    pub fn compare_roots(&mut self, kind: CompareKind, a: Root, b: Root) -> Result<bool, Raised> {
        let (a, b) = (a.get(self).raw(), b.get(self).raw());
        if is_closed(Value::adopt(a))
            && is_closed(Value::adopt(b))
            && let Some(result) = self.builtin_compare(kind, a, b)?
        {
            return Ok(result);
        }
        if let Some(holds) = self.compare_by_method(kind, a, b)? {
            return Ok(holds);
        }
        let raw = self.run_nested(|cx| cx.compare_truth(kind, a, b))?;
        Ok(raw.same(Raw::TRUE))
    }

    /// The truth of `a OP b`, nested, where the method asked first is a function of the language; None, with nothing done, if not. The
    /// caller's roots keep both alive.
    fn compare_by_method(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Option<bool>, Raised> {
        let Some(answer) = self.ask_first(kind, a, b)? else { return Ok(None) };
        if !answer.same(Raw::NOT_IMPLEMENTED) {
            return self.truth_of_answer(answer).map(Some);
        }
        let raw = self.run_nested(|cx| {
            let start = cx.fiber.top;
            let outcome = cx.compare_outcome_after(kind, a, b, true, true)?;
            cx.carry_out(outcome, start)
        })?;
        Ok(Some(raw.same(Raw::TRUE)))
    }

    /// What the method of `a OP b` that is asked first answers, if it is `a`'s and a function of the language; None, with nothing done, if
    /// not. The caller's roots keep both alive.
    pub(crate) fn ask_first(&mut self, kind: CompareKind, a: Raw, b: Raw) -> Result<Option<Raw>, Raised> {
        match self.special(a, kind.name()) {
            Some(function) if self.asks_first(a, b) => self.call_raw(function.value().raw(), &[a, b]).map(Some),
            _ => Ok(None),
        }
    }

    /// The truth of what a comparison has answered.
    pub(crate) fn truth_of_answer(&mut self, answer: Raw) -> Result<bool, Raised> {
        if let Some(truth) = self.builtin_truth(Value::adopt(answer)) {
            return Ok(truth);
        }
        let mark = self.mark();
        let answer = self.push_raw(answer);
        let truth = self.truth(answer)?;
        self.release(mark);
        Ok(truth)
    }

    // ---- truth ----

    /// The truth of a builtin value; None where a class has a say.
    pub fn builtin_truth(&self, value: Value<'_>) -> Option<bool> {
        if value.is_subclassed() {
            return None;
        }
        Some(match value.kind() {
            Kind::True => true,
            Kind::False | Kind::None => false,
            Kind::Int => value.as_int() != Some(0),
            Kind::Float => value.as_float() != Some(0.0),
            Kind::BigInt => true,
            Kind::Complex => value.exact::<Complex>().is_some_and(|c| c.real != 0.0 || c.imaginary != 0.0),
            Kind::Str => value.exact::<Str>().is_some_and(|s| !s.is_empty()),
            Kind::Bytes => value.exact::<Bytes>().is_some_and(|s| !s.is_empty()),
            Kind::ByteArray => value.exact::<ByteArray>().is_some_and(|s| !s.is_empty()),
            Kind::List => value.exact::<List>().is_some_and(|s| !s.is_empty()),
            Kind::Tuple => value.exact::<Tuple>().is_some_and(|s| !s.is_empty()),
            Kind::Dict => value.exact::<Dict>().is_some_and(|s| !s.is_empty()),
            Kind::Set => value.exact::<Set>().is_some_and(|s| !s.is_empty()),
            Kind::FrozenSet => value.exact::<FrozenSet>().is_some_and(|s| !s.is_empty()),
            Kind::Deque => value.exact::<Deque>().is_some_and(|s| !s.is_empty()),
            Kind::Function
            | Kind::Native
            | Kind::Module
            | Kind::BoundMethod
            | Kind::Generator
            | Kind::Coroutine
            | Kind::AsyncGenerator
            | Kind::Ellipsis => true,
            _ => return None,
        })
    }

    /// The truth of a value as a bool, out of line.
    pub(super) fn truth_of(&mut self, raw: Raw) -> Result<Invoked, Raised> {
        if let Some(truth) = self.builtin_truth(Value::adopt(raw)) {
            return Ok(Invoked::Value(Raw::bool(truth)));
        }
        if let Some(invoked) = self.truth_by_method(raw)? {
            return Ok(invoked);
        }
        let start = self.fiber.top;
        let outcome = self.truth_outcome(raw)?;
        self.carry_out(outcome, start)
    }

    /// The protocol: `__bool__`, else `__len__`, else true.
    pub(crate) fn truth_outcome(&mut self, raw: Raw) -> NativeResult {
        if let Some(truth) = self.builtin_truth(Value::adopt(raw)) {
            return Ok(truth.into());
        }
        let class = self.class_of(Value::adopt(raw)).held();
        let name = self.name(Name::Bool).held();
        if let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) {
            if method.same(Raw::NONE) {
                let got = self.type_name_for_error(Value::adopt(raw));
                return Err(self.type_error(format!("'{got}' cannot be interpreted as a boolean")));
            }
            return self.call_unbound(method, raw, &[], Then::Continue(bool_result));
        }
        let name = self.name(Name::Len).held();
        if let Some(method) = self.lookup_class(class, name).map(|v| v.raw()) {
            return self.call_unbound(method, raw, &[], Then::Continue(len_result));
        }
        Ok(true.into())
    }

    /// The truth of a value, nested.
    pub fn truth(&mut self, root: Root) -> Result<bool, Raised> {
        if let Some(truth) = self.builtin_truth(root.get(self)) {
            return Ok(truth);
        }
        let raw = root.get(self).raw();
        Ok(self.run_nested(|cx| cx.truth_of(raw))?.same(Raw::TRUE))
    }

    // ---- hash ----

    /// `hash(value)`, nested.
    pub fn hash(&mut self, root: Root) -> Result<i64, Raised> {
        let value = root.get(self);
        if let Some(hash) = hash_without_script(&self.heap, value) {
            return Ok(hash);
        }
        if !value.is_subclassed() {
            match value.kind() {
                Kind::Tuple => {
                    let len = value.exact::<Tuple>().map_or(0, |t| t.len());
                    self.check_stack()?;
                    let mut hash = crate::number::hash::TupleHash::new();
                    for i in 0..len {
                        let mark = self.mark();
                        let item = root.get(self).exact::<Tuple>().expect("a tuple").item(i).raw();
                        let item = self.push_raw(item);
                        let lane = self.hash(item)?;
                        hash.push(lane);
                        self.release(mark);
                    }
                    return Ok(hash.finish());
                }
                Kind::FrozenSet => return self.hash_frozenset(root),
                Kind::List | Kind::Dict | Kind::Set | Kind::ByteArray => {
                    return Err(self.unhashable(root));
                }
                Kind::Range => return self.hash_range(root),
                Kind::Slice => {
                    let mark = self.mark();
                    let slice = root.get(self).exact::<Slice>().expect("a slice");
                    let parts = [slice.start.get().raw(), slice.stop.get().raw(), slice.step.get().raw()];
                    let parts = parts.map(|part| self.push_raw(part));
                    let mut hash = crate::number::hash::TupleHash::new();
                    for part in parts {
                        let lane = self.hash(part)?;
                        hash.push(lane);
                    }
                    self.release(mark);
                    return Ok(hash.finish_slice());
                }
                _ => {}
            }
        }
        let class = self.class_of(value).held();
        let name = self.name(Name::Hash).held();
        let Some((method, owner)) = self.lookup_class_with_owner(class, name) else {
            return Err(self.unhashable(root));
        };
        if owner.value().raw().same(self.types.object) {
            return Ok(crate::number::hash::hash_identity(self.heap.id(root.get(self))));
        }
        if method.is_none() {
            return Err(self.unhashable(root));
        }
        let value = root.get(self);
        let builtin = matches!(value.kind(), Kind::Tuple | Kind::Str | Kind::Int | Kind::Float | Kind::Bytes);
        if builtin && value.is_subclassed() && owner == self.kind_class(value.kind()) {
            let mark = self.mark();
            let payload = self.payload(value).raw();
            let payload = self.push_raw(payload);
            let hash = self.hash(payload)?;
            self.release(mark);
            return Ok(hash);
        }
        let (method, receiver) = (method.raw(), root.get(self).raw());
        let result = self.call_unbound_nested(method, receiver, &[], Then::Return)?;
        match as_int_ref(self.payload(Value::adopt(result))) {
            // What `__hash__` returns is reduced as ints are.
            Some(int) => Ok(match int.to_i64() {
                Some(-1) => -2,
                Some(hash) => hash,
                None => crate::number::hash::hash_int(int),
            }),
            None => Err(self.type_error("__hash__ method should return an integer".into())),
        }
    }

    /// `unhashable type`.
    pub fn unhashable(&mut self, root: Root) -> Raised {
        let name = self.type_name_for_error(root.get(self));
        self.type_error(format!("unhashable type: '{name}'"))
    }

    pub(super) fn hash_range(&mut self, root: Root) -> Result<i64, Raised> {
        // As CPython: the hash of (length, first or None, step or None).
        let mark = self.mark();
        let len = self.range_len(root.get(self));
        let range = root.get(self).exact::<Range>().expect("a range");
        let (start, step) = (range.start.get().raw(), range.step.get().raw());
        let (zero, one) = (len == Int::Small(0), len == Int::Small(1));
        let len = int_value(&self.heap, len).raw();
        let parts = [len, if zero { Raw::NONE } else { start }, if zero || one { Raw::NONE } else { step }];
        let tuple = Tuple::build(&self.heap, 3, |i| Value::adopt(parts[i])).value().raw();
        let tuple = self.push_raw(tuple);
        let hash = self.hash(tuple)?;
        self.release(mark);
        Ok(hash)
    }

    /// The number of items of a range.
    pub fn range_len(&self, value: Value<'_>) -> Int {
        let range = value.exact::<Range>().expect("a range");
        if let (Some(start), Some(stop), Some(step)) =
            (range.start.get().as_int(), range.stop.get().as_int(), range.step.get().as_int())
        {
            let (low, high) = if step > 0 { (start, stop) } else { (stop, start) };
            if low >= high {
                return Int::Small(0);
            }
            let span = (high as i128) - (low as i128) - 1;
            let n = span / i128::from(step).abs() + 1;
            return match i64::try_from(n) {
                Ok(n) => Int::Small(n),
                Err(_) => Int::Big(Big::from(n)),
            };
        }
        let big = |v: Value<'_>| as_int_ref(v).map_or_else(Big::default, |i| i.to_big().into_owned());
        let (start, stop, step) = (big(range.start.get()), big(range.stop.get()), big(range.step.get()));
        let zero = Big::default();
        let (low, high, by) = if step > zero { (start, stop, step) } else { (stop, start, -step) };
        if low >= high { Int::Small(0) } else { Int::from_big((high - low - 1u8) / by + 1u8) }
    }
}

/// What `__bool__` returned.
pub(super) fn bool_result(cx: &mut Vm, _: Args, resumed: Resumed) -> NativeResult {
    let Resumed::Returned(value) = resumed else { unreachable!("exceptions pass") };
    if value.get(cx).as_bool().is_some() {
        return Ok(value.get(cx).into());
    }
    let got = cx.type_name_for_error(value.get(cx));
    Err(cx.type_error(format!("__bool__ should return bool, returned {got}")))
}

/// Whether what `__len__` returned is not 0.
pub(super) fn len_result(cx: &mut Vm, window: Args, resumed: Resumed) -> NativeResult {
    match len_value(cx, window, resumed)? {
        Outcome::Value(raw) => Ok((Value::adopt(raw).as_int() != Some(0)).into()),
        other => Ok(other),
    }
}

/// How many items from the first on are the same or equal in both rows, without any script being asked.
fn equal_at_once([a, b]: [&[Slot]; 2]) -> usize {
    let equal = |(x, y): (&Slot, &Slot)| {
        let (x, y) = (x.get(), y.get());
        x.is(y) || (x.as_int().is_none() && equal_without_script(x, y, 0) == Some(true))
    };
    let len = a.len().min(b.len());
    a.iter().zip(b).position(|pair| !equal(pair)).unwrap_or(len)
}

/// Kinds whose comparisons are all known here.
fn is_compared_here(value: Value<'_>) -> bool {
    let more = matches!(value.kind(), Kind::Range | Kind::ByteArray | Kind::Set | Kind::FrozenSet);
    is_closed(value) || more && !value.is_subclassed()
}

/// Start, step and length of a range of small numbers.
fn small_range(range: Value<'_>) -> Option<(i64, i64, i128)> {
    let range = range.exact::<Range>()?;
    let [start, stop, step] = [&range.start, &range.stop, &range.step].map(|slot| slot.get().as_int());
    let (start, stop, step) = (start?, stop?, step?);
    let distance = i128::from(stop) - i128::from(start);
    let span = if step > 0 { distance } else { -distance };
    let by = i128::from(step.unsigned_abs());
    Some((
        start,
        step,
        if span <= 0 {
            0
        } else if by == 1 {
            span
        } else {
            (span - 1) / by + 1
        },
    ))
}
