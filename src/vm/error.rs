//! Making and raising exceptions.

use crate::bytecode::op::BinaryKind;
use crate::heap::{Gc, Kind, Raw, Ref, Value};
use crate::object::{Class, Exc, Exception, Slots, Str, Tuple, field_count, field_index};

use crate::text::wtf8;

use super::Vm;
use super::frame::{Deliver, Record, RecordKind};
use super::native::{Raised, Root};

impl Vm {
    /// Makes an exception of a builtin class with these arguments, without calling anything.
    pub fn new_exception(&mut self, class: Exc, args: &[Root]) -> Gc<'_, Exception> {
        let args = Tuple::build(&self.heap, args.len(), |i| args[i].get(self));
        let fields = field_count(class);
        let fields = (fields > 0).then(|| Slots::few(&self.heap, fields));
        let exception = self.heap.alloc(Exception {
            args: Ref::new(args),
            cause: crate::heap::AnyRef::none(),
            context: crate::heap::AnyRef::none(),
            traceback: Ref::none(),
            suppress_context: std::cell::Cell::new(false),
            dict: Ref::none(),
            fields: Ref::from_option(fields),
        });
        exception.set_shape(self.exception_class(class).get().root_shape.get());
        // What the class keeps of its arguments.
        match class {
            Exc::StopIteration | Exc::SystemExit if args.len() == 1 => {
                fields.expect("it has a field").set_tail(&self.heap, 0, args.item(0));
            }
            _ if args.len() == 1 => {
                if let (Some(at), Some(fields)) = (field_index(class, "msg"), fields) {
                    fields.set_tail(&self.heap, at, args.item(0));
                }
            }
            _ => {}
        }
        exception
    }

    /// Sets a field of an exception by name.
    pub fn set_exception_field(&mut self, exception: Root, class: Exc, name: &str, value: Root) {
        let Some(index) = field_index(class, name) else { return };
        if let Some(exception) = exception.get(self).exact::<Exception>()
            && let Some(fields) = exception.get().fields.get()
        {
            fields.set_tail(&self.heap, index, value.get(self));
        }
    }

    /// Raises a new exception of a builtin class.
    pub fn raise_new(&mut self, class: Exc, args: &[Root]) -> Raised {
        let raw = self.new_exception(class, args).value().raw();
        self.raise_raw(raw)
    }

    /// A message as a text; what stands for lone surrogates in it becomes those again.
    pub(crate) fn message(&self, message: &str) -> Raw {
        Str::from_parts(&self.heap, &[&wtf8::without_stand_ins(message)]).value().raw()
    }

    /// UnicodeEncodeError for the first lone surrogates of a text.
    pub fn surrogate_error(&mut self, text: Root) -> Raised {
        let (offset, count) = self.as_str(text.get(self)).map_or((0, 1), |s| {
            let valid = std::str::from_utf8(s.as_bytes()).map_or_else(|e| e.valid_up_to(), str::len);
            // Three bytes each, of which the second tells them from other characters that begin with the same byte.
            let lone = s.as_bytes()[valid..].chunks(3).take_while(|c| c.len() == 3 && c[0] == 0xED && c[1] >= 0xA0);
            (s.char_index(valid), lone.count().max(1))
        });
        self.unicode_encode_error(text, "utf-8", offset, offset + count, "surrogates not allowed")
    }

    /// Raises a builtin exception with a message.
    pub fn raise_text(&mut self, class: Exc, message: &str) -> Raised {
        let mark = self.mark();
        let text = self.message(message);
        let text = self.push_raw(text);
        let raised = self.raise_new(class, &[text]);
        self.release(mark);
        raised
    }

    /// Raises an exception value: what is being handled becomes its context.
    pub fn raise(&mut self, exception: Root) -> Raised {
        let raw = exception.get(self).raw();
        self.raise_raw(raw)
    }

    /// As `raise`, for a bare value.
    pub(super) fn raise_raw(&mut self, raw: Raw) -> Raised {
        if let Some(exception) = Value::adopt(raw).exact::<Exception>() {
            let exception = exception.held();
            let handled = self.handled_exception();
            if !handled.is_unbound() && !handled.same(raw) {
                self.set_context(exception, handled);
            }
        }
        self.raised = raw;
        Raised(())
    }

    /// Makes `context` the context of an exception; a cycle is cut where it would close.
    fn set_context(&mut self, exception: Gc<'static, Exception>, context: Raw) {
        let mut at = Value::adopt(context).exact::<Exception>();
        let mut steps = 0;
        while let Some(current) = at {
            let next = current.get().context.get::<Exception>();
            if next.is_some_and(|n| n == exception) {
                current.set_any(&self.heap, |e| &e.context, Value::NONE);
                break;
            }
            at = next;
            steps += 1;
            if steps > 100_000 {
                break;
            }
        }
        exception.set_any(&self.heap, |e| &e.context, Value::adopt(context));
    }

    /// Makes what is being handled the context of an exception that will be thrown into a coroutine.
    pub(crate) fn take_context(&mut self, exception: Raw) {
        let handled = self.handled_exception();
        if let Some(own) = Value::adopt(exception).exact::<Exception>().map(Gc::held)
            && !handled.is_unbound()
            && !handled.same(exception)
        {
            self.set_context(own, handled);
        }
    }

    /// Makes what the innermost frame itself is handling the context of an exception thrown into it.
    pub(crate) fn take_own_context(&mut self, exception: Raw) {
        if !self.fiber.handled.is_unbound() {
            self.take_context(exception);
        }
    }

    /// Sets what the native that runs is handling, UNBOUND for nothing. Returns what it did before.
    pub(crate) fn set_handled(&mut self, exception: Raw) -> Raw {
        std::mem::replace(&mut self.fiber.handled, exception)
    }

    /// The exception on its way, which stops there: the caller handles it or raises it again.
    pub fn take_raised(&mut self, _raised: Raised) -> Raw {
        std::mem::replace(&mut self.raised, Raw::UNBOUND)
    }

    /// As `take_raised`, as a root.
    pub fn take_exception(&mut self, raised: Raised) -> Root {
        let raw = self.take_raised(raised);
        self.push_raw(raw)
    }

    /// The exception being handled (`sys.exception()`); UNBOUND if none.
    pub fn handled_exception(&self) -> Raw {
        if !self.fiber.handled.is_unbound() {
            return self.fiber.handled;
        }
        // An empty slot falls through: along the awaits of the chain, then to whoever resumed it.
        let records = &self.fiber.records;
        for (at, record) in records.iter().enumerate().rev() {
            let RecordKind::InPlace { generator, .. } = record.kind else { continue };
            // What is thrown goes by those that await the one it is for: they don't run meanwhile.
            let thrown = record.flags & Record::THROWN != 0;
            let mut within = (!thrown).then_some(generator);
            while let Some(generator) = within {
                let awaiter = generator.get().awaiter.get::<crate::object::Generator>().map(|g| g.held());
                if let Some(awaiter) = awaiter
                    && !awaiter.get().handled.is_none()
                {
                    return awaiter.get().handled.value().raw();
                }
                within = awaiter;
            }
            let below = records[..at].iter().rev().find(|below| !matches!(below.kind, RecordKind::Native { .. }));
            let passed_on = thrown
                && below.is_some_and(|below| {
                    below.flags & Record::THROWN != 0
                        && below.deliver == Deliver::Delegate
                        && matches!(below.kind, RecordKind::InPlace { .. })
                });
            if !passed_on && !record.handled.is_unbound() {
                return record.handled;
            }
        }
        Raw::UNBOUND
    }

    /// Raises an exception again as it is: neither context nor this line is added.
    pub(super) fn reraise(&mut self, raw: Raw) -> Raised {
        if let Some(record) = self.fiber.records.last_mut() {
            record.flags |= Record::RERAISED;
        }
        self.raised = raw;
        Raised(())
    }

    /// `raise` without operand.
    pub(super) fn raise_again(&mut self) -> Raised {
        let handled = self.handled_exception();
        if handled.is_unbound() {
            return self.raise_text(Exc::RuntimeError, "No active exception to reraise");
        }
        self.reraise(handled)
    }

    /// `raise src` and `raise src from cause` (UNBOUND: no cause).
    pub(super) fn raise_statement(&mut self, src: Raw, cause: Raw) -> Raised {
        match self.raise_statement_inner(src, cause) {
            Ok(raised) | Err(raised) => raised,
        }
    }

    fn raise_statement_inner(&mut self, src: Raw, cause: Raw) -> Result<Raised, Raised> {
        let exception = self.exception_value(src, "exceptions must derive from BaseException")?;
        if !cause.is_unbound() {
            let target = Value::adopt(exception.get(self).raw()).exact::<Exception>().expect("checked").held();
            let cause = if cause.same(Raw::NONE) {
                Raw::NONE
            } else {
                self.exception_value(cause, "exception causes must derive from BaseException")?.get(self).raw()
            };
            target.set_any(&self.heap, |e| &e.cause, Value::adopt(cause));
            target.get().suppress_context.set(true);
        }
        Ok(self.raise(exception))
    }

    /// The exception that a class or instance in a raise statement stands for.
    pub(super) fn exception_value(&mut self, raw: Raw, otherwise: &str) -> Result<Root, Raised> {
        let value = Value::adopt(raw);
        if value.kind() == Kind::Exception {
            return Ok(self.push_raw(raw));
        }
        if let Some(class) = value.exact::<Class>()
            && class.is_subclass(self.exception_class(Exc::BaseException))
        {
            if let Some(made) = self.exception_of_class(class.held()) {
                return Ok(self.push_raw(made));
            }
            let class = self.push_raw(raw);
            let made = self.call(class, &[])?;
            if made.get(self).kind() != Kind::Exception {
                let kind = self.class_of(made.get(self)).value().raw();
                let kind = self.push_raw(kind);
                let name = self.repr_text(kind)?;
                let class_name = self.repr_text(class)?;
                return Err(self.type_error(format!(
                    "calling {class_name} should have returned an instance of BaseException, not {name}"
                )));
            }
            return Ok(made);
        }
        Err(self.type_error(otherwise.to_owned()))
    }

    // ---- the usual ones ----

    /// TypeError.
    pub fn type_error(&mut self, message: String) -> Raised {
        self.raise_text(Exc::TypeError, &message)
    }

    /// ValueError.
    pub fn value_error(&mut self, message: impl AsRef<str>) -> Raised {
        self.raise_text(Exc::ValueError, message.as_ref())
    }

    /// IndexError.
    pub fn index_error(&mut self, message: &str) -> Raised {
        self.raise_text(Exc::IndexError, message)
    }

    /// RuntimeError.
    pub fn runtime_error(&mut self, message: impl AsRef<str>) -> Raised {
        self.raise_text(Exc::RuntimeError, message.as_ref())
    }

    /// OverflowError.
    pub fn overflow_error(&mut self, message: &str) -> Raised {
        self.raise_text(Exc::OverflowError, message)
    }

    /// KeyError for a key.
    pub fn key_error(&mut self, key: Root) -> Raised {
        self.raise_new(Exc::KeyError, &[key])
    }

    /// MemoryError.
    #[cold]
    pub fn memory_error(&mut self) -> Raised {
        self.raise_new(Exc::MemoryError, &[])
    }

    /// RecursionError.
    #[cold]
    pub fn recursion_error(&mut self) -> Raised {
        self.raise_text(Exc::RecursionError, "maximum recursion depth exceeded")
    }

    /// SystemError: an invariant of the machine is broken.
    #[cold]
    pub fn system_error(&mut self, message: &str) -> Raised {
        self.raise_text(Exc::SystemError, message)
    }

    /// Something that aio does not have (yet): says so by name.
    #[cold]
    pub fn missing(&mut self, what: &str) -> Raised {
        self.raise_text(Exc::NotImplementedError, &format!("aio does not have {what} yet"))
    }

    /// UnicodeEncodeError for characters `start..end` of a text.
    pub fn unicode_encode_error(
        &mut self,
        object: Root,
        encoding: &str,
        start: usize,
        end: usize,
        reason: &str,
    ) -> Raised {
        self.unicode_error(Exc::UnicodeEncodeError, object, encoding, start, end, reason)
    }

    /// UnicodeDecodeError or UnicodeEncodeError with its five arguments.
    pub fn unicode_error(
        &mut self,
        class: Exc,
        object: Root,
        encoding: &str,
        start: usize,
        end: usize,
        reason: &str,
    ) -> Raised {
        let mark = self.mark();
        let encoding = self.str(encoding).value().raw();
        let encoding = self.push_raw(encoding);
        let start = self.push_raw(Raw::int(start as i64));
        let end = self.push_raw(Raw::int(end as i64));
        let reason = self.str(reason).value().raw();
        let reason = self.push_raw(reason);
        let args = [encoding, object, start, end, reason];
        let raw = self.new_exception(class, &args).value().raw();
        let exception = self.push_raw(raw);
        for (name, value) in ["encoding", "object", "start", "end", "reason"].iter().zip(args) {
            self.set_exception_field(exception, class, name, value);
        }
        let raised = self.raise(exception);
        self.release(mark);
        raised
    }

    /// NameError for a global, with `name` set.
    pub(super) fn name_error(&mut self, name: Raw) -> Raised {
        let text = Value::adopt(name).exact::<Str>().map_or(String::new(), |s| s.to_str_lossy().into_owned());
        self.named_error(Exc::NameError, &format!("name '{text}' is not defined"), name)
    }

    /// UnboundLocalError.
    pub(super) fn unbound_local(&mut self, name: Raw) -> Raised {
        let text = Value::adopt(name).exact::<Str>().map_or(String::new(), |s| s.to_str_lossy().into_owned());
        let message = format!("cannot access local variable '{text}' where it is not associated with a value");
        self.named_error(Exc::UnboundLocalError, &message, name)
    }

    /// NameError for a free variable.
    pub(super) fn unbound_free(&mut self, name: Raw) -> Raised {
        let text = Value::adopt(name).exact::<Str>().map_or(String::new(), |s| s.to_str_lossy().into_owned());
        let message =
            format!("cannot access free variable '{text}' where it is not associated with a value in enclosing scope");
        self.named_error(Exc::NameError, &message, name)
    }

    fn named_error(&mut self, class: Exc, message: &str, name: Raw) -> Raised {
        let mark = self.mark();
        let text = self.message(message);
        let text = self.push_raw(text);
        let raw = self.new_exception(class, &[text]).value().raw();
        let exception = self.push_raw(raw);
        if class != Exc::UnboundLocalError {
            let name = self.push_raw(name);
            self.set_exception_field(exception, class, "name", name);
        }
        let raised = self.raise(exception);
        self.release(mark);
        raised
    }

    /// AttributeError with `name` and `obj` set.
    pub fn attribute_error(&mut self, message: &str, object: Root, name: Root) -> Raised {
        let mark = self.mark();
        let text = self.message(message);
        let text = self.push_raw(text);
        let raw = self.new_exception(Exc::AttributeError, &[text]).value().raw();
        let exception = self.push_raw(raw);
        self.set_exception_field(exception, Exc::AttributeError, "name", name);
        self.set_exception_field(exception, Exc::AttributeError, "obj", object);
        let raised = self.raise(exception);
        self.release(mark);
        raised
    }

    /// `unsupported operand type(s)`.
    pub(super) fn unsupported(&mut self, kind: BinaryKind, inplace: bool, a: Raw, b: Raw) -> Raised {
        let sign = match kind {
            BinaryKind::Add => "+",
            BinaryKind::Sub => "-",
            BinaryKind::Mul => "*",
            BinaryKind::TrueDiv => "/",
            BinaryKind::FloorDiv => "//",
            BinaryKind::Mod => "%",
            BinaryKind::Pow if inplace => "**",
            BinaryKind::Pow => "** or pow()",
            BinaryKind::LShift => "<<",
            BinaryKind::RShift => ">>",
            BinaryKind::And => "&",
            BinaryKind::Or => "|",
            BinaryKind::Xor => "^",
            BinaryKind::MatMul => "@",
        };
        let sign = if inplace { format!("{sign}=") } else { sign.to_owned() };
        let (x, y) = (self.type_name_for_error(Value::adopt(a)), self.type_name_for_error(Value::adopt(b)));
        let print = kind == BinaryKind::RShift
            && Value::adopt(a).exact::<super::native::NativeFunction>().is_some_and(|n| n.get().def.name == "print");
        let hint = if print && !inplace { ". Did you mean \"print(<message>, file=<output_stream>)\"?" } else { "" };
        self.type_error(format!("unsupported operand type(s) for {sign}: '{x}' and '{y}'{hint}"))
    }

    // ---- matching ----

    /// Whether an exception matches the class, or one of the tuple of classes, in an `except`.
    pub(super) fn exception_matches(&mut self, exception: Raw, class: Raw) -> Result<bool, Raised> {
        let text = "catching classes that do not inherit from BaseException is not allowed";
        let base = self.exception_class(Exc::BaseException).held();
        let own = self.class_of(Value::adopt(exception)).held();
        let mut stack = vec![class];
        let mut classes = vec![];
        while let Some(raw) = stack.pop() {
            let value = Value::adopt(raw);
            if let Some(tuple) = value.exact::<Tuple>() {
                // A tuple in the tuple is not looked into, as in CPython.
                if !raw.same(class) {
                    return Err(self.type_error(text.to_owned()));
                }
                stack.extend(tuple.items().rev().map(|v| v.raw()));
                continue;
            }
            match value.exact::<Class>() {
                Some(c) if c.is_subclass(base) => classes.push(c.held()),
                _ => return Err(self.type_error(text.to_owned())),
            }
        }
        Ok(classes.into_iter().any(|c| own.is_subclass(c)))
    }

    /// `raise`'s and others' check: whether a value is an instance of a builtin exception class.
    pub fn is_exception(&self, value: Value<'_>, class: Exc) -> bool {
        value.kind() == Kind::Exception && self.class_of(value).is_subclass(self.exception_class(class))
    }

    /// Whether the exception on its way is of a class; it stays on its way.
    pub fn raised_is(&self, class: Exc) -> bool {
        !self.raised.is_unbound() && self.is_exception(Value::adopt(self.raised), class)
    }

    /// except*: the part of `rest` that matches, and the remainder.
    pub(super) fn split_group(&mut self, rest: Raw, class: Raw) -> Result<(Raw, Raw), Raised> {
        let none = Raw::NONE;
        if rest.same(none) {
            return Ok((none, none));
        }
        let group_class = self.exception_class(Exc::BaseExceptionGroup).held();
        // Classes of groups are not allowed after except*.
        let candidates: Vec<Raw> = match Value::adopt(class).exact::<Tuple>() {
            Some(tuple) => tuple.items().map(|v| v.raw()).collect(),
            None => vec![class],
        };
        if !candidates.iter().all(|c| {
            Value::adopt(*c).exact::<Class>().is_some_and(|c| c.is_subclass(self.exception_class(Exc::BaseException)))
        }) {
            let text = "catching classes that do not inherit from BaseException is not allowed";
            return Err(self.type_error(text.into()));
        }
        if candidates.iter().any(|c| Value::adopt(*c).exact::<Class>().is_some_and(|c| c.is_subclass(group_class))) {
            let text = "catching ExceptionGroup with except* is not allowed. Use except instead.";
            return Err(self.type_error(text.into()));
        }
        let is_group = self.is_exception(Value::adopt(rest), Exc::BaseExceptionGroup);
        if self.exception_matches(rest, class)? {
            if is_group {
                return Ok((rest, none));
            }
            // A bare exception is wrapped.
            let mark = self.mark();
            let exception = self.push_raw(rest);
            let list = self.tuple(&[exception.get(self)]).value().raw();
            let list = self.push_raw(list);
            let text = self.str("").value().raw();
            let text = self.push_raw(text);
            let is_plain = self.is_exception(Value::adopt(rest), Exc::Exception);
            let class = if is_plain { Exc::ExceptionGroup } else { Exc::BaseExceptionGroup };
            let class = self.exception_class(class).value().raw();
            let class = self.push_raw(class);
            let group = self.call(class, &[text, list])?.get(self).raw();
            // Its traceback begins at the clause.
            self.push_raw(group);
            let at = self.fiber.records.len() - 1;
            let (function, word) = (self.fiber.records[at].function, self.fiber.records[at].word());
            let frame = self.frame_object(at);
            self.add_traceback(group, function, word, Value::adopt(frame));
            self.release(mark);
            return Ok((group, none));
        }
        if !is_group {
            return Ok((none, rest));
        }
        let mark = self.mark();
        let group = self.push_raw(rest);
        let class = self.push_raw(class);
        let pair = self.call_method(group, "split", &[class])?;
        let Some((matched, rest)) =
            pair.get(self).exact::<Tuple>().filter(|t| t.len() >= 2).map(|t| (t.item(0).raw(), t.item(1).raw()))
        else {
            let name = self.type_name_for_error(group.get(self));
            let got = self.type_name_for_error(pair.get(self));
            return Err(self.type_error(format!("{name}.split must return a tuple, not {got}")));
        };
        self.release(mark);
        Ok((matched, rest))
    }

    /// End of except*: what is to be raised of the exceptions raised in the clauses and those left over.
    pub(super) fn join_group(&mut self, original: Raw, raised: Raw) -> Result<Raw, Raised> {
        let Some(list) = Value::adopt(raised).exact::<crate::object::List>() else { return Ok(Raw::NONE) };
        let items: Vec<Raw> = list.items().map(|v| v.raw()).filter(|r| !r.same(Raw::NONE)).collect();
        if items.is_empty() {
            return Ok(Raw::NONE);
        }
        if !self.is_exception(Value::adopt(original), Exc::BaseExceptionGroup) {
            return Ok(items[0]);
        }
        // Parts of the original (same metadata) are put together again; new exceptions stand beside.
        let same = |cx: &Vm, raw: Raw| -> bool {
            let (Some(a), Some(b)) =
                (Value::adopt(raw).exact::<Exception>(), Value::adopt(original).exact::<Exception>())
            else {
                return false;
            };
            let _ = cx;
            let tb = |e: Gc<'_, Exception>| e.get().traceback.get().map(|t| t.value().raw().bits());
            tb(a) == tb(b)
                && a.get().cause.value().is(b.get().cause.value())
                && a.get().context.value().is(b.get().context.value())
                && a.field(0).is(b.field(0))
        };
        let (old, new): (Vec<Raw>, Vec<Raw>) = items.into_iter().partition(|r| same(self, *r));
        let mark = self.mark();
        let mut parts = new;
        if !old.is_empty() {
            let original = self.push_raw(original);
            let mut leaves = vec![];
            for part in &old {
                self.collect_leaves(*part, &mut leaves);
            }
            let keep = self.list(&[]).value().raw();
            let keep = self.push_raw(keep);
            for leaf in leaves {
                let leaf = self.push_raw(leaf);
                let _ = self.list_push(keep, leaf);
            }
            let rest = self.rebuild_group(original, keep)?;
            if !rest.get(self).is_none() {
                parts.push(rest.get(self).raw());
            }
        }
        if parts.len() == 1 {
            self.release(mark);
            return Ok(parts[0]);
        }
        let list = self.list(&[]).value().raw();
        let list = self.push_raw(list);
        for part in parts {
            let part = self.push_raw(part);
            let _ = self.list_push(list, part);
        }
        let text = self.str("").value().raw();
        let text = self.push_raw(text);
        let class = self.exception_class(Exc::BaseExceptionGroup).value().raw();
        let class = self.push_raw(class);
        let group = self.call(class, &[text, list])?.get(self).raw();
        self.release(mark);
        Ok(group)
    }

    fn collect_leaves(&self, raw: Raw, leaves: &mut Vec<Raw>) {
        let mut stack = vec![raw];
        while let Some(raw) = stack.pop() {
            let value = Value::adopt(raw);
            match value.exact::<Exception>() {
                Some(group) if self.is_exception(value, Exc::BaseExceptionGroup) => {
                    if let Some(tuple) = group.field(1).exact::<Tuple>() {
                        stack.extend(tuple.items().rev().map(|v| v.raw()));
                    }
                }
                _ => leaves.push(raw),
            }
        }
    }

    /// A group with only those leaves of `group` that are in the list `keep`, nested as they were; None if there are none.
    fn rebuild_group(&mut self, group: Root, keep: Root) -> Result<Root, Raised> {
        self.check_stack()?;
        let children: Vec<Raw> = match group.get(self).exact::<Exception>().and_then(|g| g.field(1).exact::<Tuple>()) {
            Some(tuple) => tuple.items().map(|v| v.raw()).collect(),
            None => vec![],
        };
        let list = self.list(&[]).value().raw();
        let list = self.push_raw(list);
        for child in children {
            let mark = self.mark();
            if self.is_exception(Value::adopt(child), Exc::BaseExceptionGroup) {
                let child = self.push_raw(child);
                let rest = self.rebuild_group(child, keep)?;
                if !rest.get(self).is_none() {
                    let _ = self.list_push(list, rest);
                }
            } else {
                let kept = keep
                    .get(self)
                    .exact::<crate::object::List>()
                    .is_some_and(|l| l.items().any(|v| v.raw().same(child)));
                if kept {
                    let child = self.push_raw(child);
                    let _ = self.list_push(list, child);
                }
            }
            self.release(mark);
        }
        if list.get(self).exact::<crate::object::List>().is_none_or(|l| l.is_empty()) {
            return Ok(self.push_raw(Raw::NONE));
        }
        let new = self.call_method(group, "derive", &[list])?;
        if let (Some(new), Some(old)) = (new.get(self).exact::<Exception>(), group.get(self).exact::<Exception>()) {
            new.set_ref(&self.heap, |e| &e.traceback, old.get().traceback.get());
            new.set_any(&self.heap, |e| &e.cause, old.get().cause.value());
            new.set_any(&self.heap, |e| &e.context, old.get().context.value());
            // A part of a group has its cause, and with it has one been set.
            new.get().suppress_context.set(true);
        }
        Ok(new)
    }
}

/// The nearest of some names to a wrong one, as CPython's suggestions choose: by an edit distance where a change of case costs less than
/// another letter, and at most a third of the letters may differ.
pub fn closest<'a>(wrong: &str, choices: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// With this many names, nothing is suggested.
    const TOO_MANY: usize = 750;
    let choices: Vec<&str> = choices.take(TOO_MANY).collect();
    if choices.len() == TOO_MANY {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for choice in choices {
        if choice == wrong {
            continue;
        }
        let most = (wrong.len() + choice.len() + 3) * MOVE_COST / 6;
        let most = best.map_or(most, |(distance, _)| most.min(distance.saturating_sub(1)));
        let distance = edit_distance(wrong.as_bytes(), choice.as_bytes());
        if let Some(distance) = distance.filter(|distance| *distance <= most)
            && best.is_none_or(|(before, _)| distance < before)
        {
            best = Some((distance, choice));
        }
    }
    best.map(|(_, choice)| choice)
}

/// Cost of another letter, of one more and of one less.
const MOVE_COST: usize = 2;
/// Cost of a change of case.
const CASE_COST: usize = 1;

/// None for texts that are too long to compare.
fn edit_distance(mut a: &[u8], mut b: &[u8]) -> Option<usize> {
    const LONGEST: usize = 40;
    let prefix = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    (a, b) = (&a[prefix..], &b[prefix..]);
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    (a, b) = (&a[..a.len() - suffix], &b[..b.len() - suffix]);
    if !a.is_empty() && !b.is_empty() && (a.len() > LONGEST || b.len() > LONGEST) {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).map(|at| at * MOVE_COST).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = (i + 1) * MOVE_COST;
        for (j, y) in b.iter().enumerate() {
            let cost = if x == y {
                0
            } else if x.eq_ignore_ascii_case(y) {
                CASE_COST
            } else {
                MOVE_COST
            };
            let next = (diagonal + cost).min(row[j] + MOVE_COST).min(row[j + 1] + MOVE_COST);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    Some(row[b.len()])
}
