//! Frames as scripts see them: which frame called which, where each stands, and what its locals are. A frame object knows where its
//! frame is while that runs, and has a copy of the locals afterwards; see `unwind.rs` for when one is made.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::bytecode::code::{Code, CodeFlags};
use crate::heap::{AnyRef, Gc, Raw, Ref, Value};
use crate::object::{Dict, Exc, Frame, Function, Generator, GeneratorState, Traceback, Tuple, Variable};
use crate::source::SourceFile;

use super::Vm;
use super::frame::{Held, RecordKind};
use super::locals::{is_hidden, order};
use super::native::{Raised, Root};

/// Lines by file, qualified name and first line of the code they belong to: several texts share names such as `<string>`.
pub(super) type Sources = HashMap<(Arc<str>, Box<str>, u32), Rc<[String]>>;

/// Whether a file is one of aio's own library: its frames are left out of tracebacks.
pub fn is_library_file(filename: &str) -> bool {
    filename.starts_with("<aio>/")
}

/// Where a call stands.
#[derive(Clone, Debug)]
pub struct CallSite {
    /// The file.
    pub file: Arc<str>,
    /// The line.
    pub line: u32,
    /// The name of the function.
    pub name: Box<str>,
}

/// Where the frame of a frame object is.
#[derive(Clone, Copy)]
pub(super) enum Standing {
    /// Its record is this one, of the fiber with this number.
    Record(u32, usize),
    /// In its generator, which is in the chain that runs on this record, or is suspended.
    Generator(Held<Generator>, Option<(u32, usize)>),
    /// It ended.
    Ended,
}

impl Vm {
    // ---- finding frames ----

    /// Where the calls that run stand, innermost first, at most `most` of them. Those of aio's own library are left out.
    pub fn call_sites(&self, most: usize) -> Vec<CallSite> {
        let mut sites = vec![];
        let mut add = |code: &Code, word: u32| {
            if sites.len() < most && !is_library_file(&code.filename) {
                let line = code.position(word).map_or(code.first_line, |place| place.line);
                sites.push(CallSite { file: code.filename.clone(), line, name: code.name.clone() });
            }
        };
        for record in self.fiber.records.iter().rev() {
            match record.kind {
                RecordKind::Plain => add(&record.code().code, record.word()),
                RecordKind::InPlace { generator, .. } => {
                    add(&record.code().code, record.word());
                    let mut next = generator.get().awaiter.get::<Generator>();
                    while let Some(awaiter) = next {
                        if let Some(function) = awaiter.get().function.get() {
                            add(&function.code().code, awaiter.get().word.get());
                        }
                        next = awaiter.get().awaiter.get::<Generator>();
                    }
                }
                RecordKind::Native { .. } | RecordKind::Exit { .. } => {}
            }
        }
        sites
    }

    /// The frame of the language `depth` frames out from the one that runs: `sys._getframe(depth)`.
    pub fn frame_at_depth(&mut self, depth: usize) -> Option<Root> {
        let at = self.language_record(self.fiber.records.len())?;
        let raw = self.frame_object(at);
        let mut frame = self.push_raw(raw);
        for _ in 0..depth {
            frame = self.frame_back(frame)?;
        }
        Some(frame)
    }

    /// The frame that called this one; none for the outermost, and for one that ended or is suspended.
    pub fn frame_back(&mut self, frame: Root) -> Option<Root> {
        let object = frame.get(self).exact::<Frame>()?.held();
        let raw = match self.standing(object) {
            Standing::Record(fiber, at) => self.on_fiber(fiber, |cx| match cx.fiber.records[at].kind {
                RecordKind::InPlace { generator, .. } => cx.back_of_generator(generator, at),
                RecordKind::Plain | RecordKind::Native { .. } | RecordKind::Exit { .. } => cx.frame_below(at),
            })??,
            Standing::Generator(generator, Some((fiber, at))) => {
                self.on_fiber(fiber, |cx| cx.back_of_generator(generator, at))??
            }
            Standing::Generator(_, None) => return None,
            Standing::Ended => {
                let back = object.get().back.value();
                match back.exact::<Function>().map(Gc::held) {
                    // It was left by an exception: only the function is known.
                    Some(function) => self.running_frame_of(function)?,
                    None if back.is_none() => return None,
                    None => back.raw(),
                }
            }
        };
        Some(self.push_raw(raw))
    }

    fn back_of_generator(&mut self, generator: Held<Generator>, at: usize) -> Option<Raw> {
        match generator.get().awaiter.get::<Generator>().map(|g| g.held()) {
            Some(awaiter) => {
                let awaiter = self.push_raw(awaiter.value().raw());
                Some(self.generator_frame(awaiter))
            }
            None => self.frame_below(at),
        }
    }

    /// The frame of the nearest record below one that is a frame of the language.
    pub(super) fn frame_below(&mut self, at: usize) -> Option<Raw> {
        let below = self.language_record(at)?;
        Some(self.frame_object(below))
    }

    pub(super) fn language_record(&self, below: usize) -> Option<usize> {
        // Those that stand for what CPython has written in C are none.
        let is_native = |function: Option<Held<Function>>| {
            function.is_some_and(|f| &*f.code().get().code.filename == "<aio>/_itertools.aio")
        };
        let is_frame = |at: &usize| {
            let record = &self.fiber.records[*at];
            matches!(record.kind, RecordKind::Plain | RecordKind::InPlace { .. }) && !is_native(record.function)
        };
        (0..below).rev().find(is_frame)
    }

    fn new_frame(&self, function: Held<Function>, word: u32) -> Held<Frame> {
        let frame = self.heap.alloc(Frame {
            function: Ref::new(function),
            back: AnyRef::none(),
            record: std::cell::Cell::new(u32::MAX),
            fiber: std::cell::Cell::new(self.fiber.id),
            asked: std::cell::Cell::new(true),
            generator: AnyRef::none(),
            word: std::cell::Cell::new(word),
            locals: Ref::none(),
            names: AnyRef::none(),
        });
        frame.held()
    }

    /// The frame object of an entry of a traceback. One that nobody asked for while its frame ran has no locals.
    pub fn traceback_frame(&mut self, traceback: Root) -> Root {
        let Some(entry) = traceback.get(self).exact::<Traceback>().map(Gc::held) else {
            return self.push_raw(Raw::NONE);
        };
        let known = entry.get().frame.value().raw();
        if !Value::adopt(known).is_none() {
            return self.push_raw(known);
        }
        let Some(function) = entry.get().function.get().map(Gc::held) else { return self.push_raw(Raw::NONE) };
        let raw = match self.running_frame_of(function) {
            Some(raw) => raw,
            None => self.new_frame(function, entry.get().word).value().raw(),
        };
        entry.set_any(&self.heap, |t| &t.frame, Value::adopt(raw));
        self.push_raw(raw)
    }

    /// The innermost running frame of a function.
    fn running_frame_of(&mut self, function: Held<Function>) -> Option<Raw> {
        for at in (0..self.fiber.records.len()).rev() {
            let record = self.fiber.records[at];
            if record.function == Some(function) {
                return Some(self.frame_object(at));
            }
            if let RecordKind::InPlace { generator, .. } = record.kind {
                let mut next = generator.get().awaiter.get::<Generator>().map(Gc::held);
                while let Some(generator) = next {
                    if generator.get().function.get().is_some_and(|f| f == function) {
                        let generator = self.push_raw(generator.value().raw());
                        return Some(self.generator_frame(generator));
                    }
                    next = generator.get().awaiter.get::<Generator>().map(Gc::held);
                }
            }
        }
        None
    }

    pub(super) fn standing(&self, frame: Held<Frame>) -> Standing {
        if let Some(generator) = frame.get().generator.get::<Generator>().map(Gc::held) {
            if generator.get().state.get() == GeneratorState::Finished {
                return Standing::Ended;
            }
            for fiber in self.all_fibers() {
                for (at, record) in fiber.records.iter().enumerate().rev() {
                    let RecordKind::InPlace { generator: running, .. } = record.kind else { continue };
                    if running == generator {
                        return Standing::Record(fiber.id, at);
                    }
                    let mut next = running.get().awaiter.get::<Generator>();
                    while let Some(awaiter) = next {
                        if awaiter == generator {
                            return Standing::Generator(generator, Some((fiber.id, at)));
                        }
                        next = awaiter.get().awaiter.get::<Generator>();
                    }
                }
            }
            return Standing::Generator(generator, None);
        }
        let (id, at) = (frame.get().fiber.get(), frame.get().record.get());
        match self.fiber_of(id) {
            Some(fiber) if (at as usize) < fiber.records.len() => Standing::Record(id, at as usize),
            _ => Standing::Ended,
        }
    }

    // ---- source texts ----

    /// Keeps the text that code was compiled from, for tracebacks: of `-c`, of standard input, of the prompt. What was read from a file is
    /// read again when it is needed.
    pub fn register_source(&mut self, code: &Arc<Code>, text: &str) {
        let source = SourceFile::new("", text);
        let lines: Rc<[String]> = (1..=source.line_count()).map(|line| source.line_text(line).to_owned()).collect();
        let mut rest = vec![code.clone()];
        while let Some(code) = rest.pop() {
            rest.extend(code.children.iter().cloned());
            self.sources.insert((code.filename.clone(), code.qualname.clone(), code.first_line), lines.clone());
        }
    }

    /// The lines of a text that was registered for this code.
    pub fn source_of_code(&self, code: &Code) -> Option<&[String]> {
        let key = (code.filename.clone(), code.qualname.clone(), code.first_line);
        self.sources.get(&key).map(|lines| &**lines)
    }

    /// The lines of a text that was registered under a name as a whole: of `-c` or the prompt.
    pub fn source_named(&self, filename: &str) -> Option<&[String]> {
        let mut sources = self.sources.iter();
        let found = sources.find(|((name, qualname, _), _)| **name == *filename && **qualname == *"<module>");
        found.map(|(_, lines)| &**lines)
    }

    // ---- looking at a frame ----

    /// The word of the instruction a frame is at or ended at.
    pub fn frame_word(&self, frame: Gc<'_, Frame>) -> u32 {
        let frame = frame.held();
        match self.standing(frame) {
            Standing::Record(fiber, at) => self.fiber_of(fiber).map_or(0, |fiber| fiber.records[at].word()),
            Standing::Generator(generator, _) => generator.get().word.get(),
            Standing::Ended => frame.get().word.get(),
        }
    }

    /// The line a frame is at; none where the code has none there.
    pub fn frame_line(&self, frame: Gc<'_, Frame>) -> Option<u32> {
        let code = frame.get().function.get()?.code();
        let word = self.frame_word(frame);
        if word == 0 && frame.get().generator.get::<Generator>().is_some() {
            return Some(code.get().code.first_line);
        }
        let line_at = |word| code.get().code.position(word).map_or(code.get().code.first_line, |p| p.line);
        // Cleaning up has no line: a frame that ended there was last at the line before.
        (0..=word).rev().map(line_at).find(|&line| line != 0)
    }

    /// `f_locals`: the namespace of a module or class body, or a dict of what is bound.
    pub fn frame_locals(&mut self, frame: Root) -> Result<Root, Raised> {
        let Some(object) = frame.get(self).exact::<Frame>().map(Gc::held) else {
            return Ok(self.push_raw(Raw::NONE));
        };
        let Some(function) = object.get().function.get().map(Gc::held) else { return Ok(self.push_raw(Raw::NONE)) };
        let raw = match self.standing(object) {
            Standing::Record(fiber, at) => self.on_fiber(fiber, |cx| cx.locals_of(at)).unwrap_or(Ok(Raw::NONE))?,
            Standing::Generator(generator, _) => {
                self.named_locals(function, |_, register| generator.get_tail_value(register).raw())
            }
            Standing::Ended => {
                let saved = object.get().locals.get().map(Gc::held);
                let compiled = function.code().code.clone();
                let near = usize::from(function.code().get().locals);
                self.named_locals(function, |_, register| {
                    let at = if register < near { register } else { register - usize::from(compiled.far_base) + near };
                    match saved {
                        Some(saved) if at < saved.len() => saved.item(at).raw(),
                        _ => Raw::UNBOUND,
                    }
                })
            }
        };
        Ok(self.push_raw(raw))
    }

    /// The namespace of a frame, or a dict of its bound locals, by what its registers hold.
    pub(super) fn named_locals(&mut self, function: Held<Function>, register: impl Fn(&Vm, usize) -> Raw) -> Raw {
        let code = function.code();
        if code.flags().intersects(CodeFlags::NAMESPACE | CodeFlags::MODULE)
            && let Some(targets) = self.comprehension_targets(function, &register)
        {
            return targets;
        }
        if code.flags().contains(CodeFlags::NAMESPACE) {
            let names = register(self, 0);
            return if names.is_unbound() { Dict::new(&self.heap).value().raw() } else { names };
        }
        if code.flags().contains(CodeFlags::MODULE) {
            return function.globals().value().raw();
        }
        let dict = Dict::new(&self.heap).held();
        let near = usize::from(code.get().locals);
        let compiled = code.code.clone();
        let store = |cx: &mut Vm, name: &str, value: Raw| {
            let key = cx.intern(name).held();
            // As many entries as there are locals: memory for them is there.
            let _ = dict.set_str(&cx.heap, key, Value::adopt(value));
        };
        let place = |i: usize| if i < near { i } else { usize::from(compiled.far_base) + i - near };
        let in_cell = |i: usize| compiled.cell_registers.contains(&(place(i) as u16));
        let order = order(&compiled, near);
        for i in order {
            let name = &*compiled.locals[i];
            let mut value = register(self, place(i));
            if in_cell(i)
                && let Some(cell) = Value::adopt(value).exact::<Variable>()
            {
                value = cell.get().content.get().raw();
            }
            if value.is_unbound() || is_hidden(name) || Value::adopt(value).exact::<Variable>().is_some() {
                continue;
            }
            store(self, name, value);
        }
        if let Some(closure) = function.get().closure.get().map(Gc::held) {
            let mut free: Vec<_> = compiled.free.iter().zip(closure.items()).collect();
            free.sort_by_key(|(name, _)| *name);
            for (name, cell) in free {
                if let Some(cell) = cell.exact::<Variable>()
                    && !cell.get().content.get().is_unbound()
                    && &**name != "__class__"
                {
                    store(self, name, cell.get().content.get().raw());
                }
            }
        }
        dict.value().raw()
    }

    /// Within a comprehension of a module or class body, `locals()` are its targets alone: a dict of those that are bound, None outside.
    fn comprehension_targets(
        &mut self,
        function: Held<Function>,
        register: &impl Fn(&Vm, usize) -> Raw,
    ) -> Option<Raw> {
        let code = function.code().code.clone();
        let near = usize::from(function.code().get().locals);
        let mut dict = None;
        for (index, name) in code.locals.iter().enumerate() {
            // Others are the namespace, and the cells of a class body.
            if name.starts_with('.')
                || matches!(&**name, "" | "__class__" | "__classdict__" | "__conditional_annotations__")
            {
                continue;
            }
            let at = if index < near { index } else { usize::from(code.far_base) + index - near };
            let mut value = register(self, at);
            if let Some(cell) = Value::adopt(value).exact::<Variable>() {
                value = cell.get().content.get().raw();
            }
            if value.is_unbound() {
                continue;
            }
            let dict = *dict.get_or_insert_with(|| Dict::new(&self.heap).held());
            let key = self.intern(name).held();
            // As many entries as there are locals: memory for them is there.
            let _ = dict.set_str(&self.heap, key, Value::adopt(value));
        }
        dict.map(|dict| dict.value().raw())
    }

    /// `frame.clear()`: drops the locals of a frame that ended, closes a generator that never ran.
    pub fn clear_frame(&mut self, frame: Root) -> Result<(), Raised> {
        let Some(object) = frame.get(self).exact::<Frame>().map(Gc::held) else { return Ok(()) };
        match self.standing(object) {
            Standing::Ended => {
                object.set_ref(&self.heap, |f| &f.locals, None::<Gc<'_, Tuple>>);
                object.set_any(&self.heap, |f| &f.names, Value::NONE);
                Ok(())
            }
            Standing::Generator(generator, None) if generator.get().state.get() == GeneratorState::Created => {
                let generator = self.push_raw(generator.value().raw());
                self.call_method(generator, "close", &[]).map(|_| ())
            }
            Standing::Generator(_, None) => Err(self.raise_text(Exc::RuntimeError, "cannot clear a suspended frame")),
            Standing::Record(..) | Standing::Generator(_, Some(_)) => {
                Err(self.raise_text(Exc::RuntimeError, "cannot clear an executing frame"))
            }
        }
    }

    /// The line an entry of a traceback shows.
    pub fn traceback_line(&self, traceback: Gc<'_, Traceback>) -> Option<u32> {
        let entry = traceback.get();
        if entry.line.get() != 0 {
            return Some(entry.line.get());
        }
        let code = entry.function.get()?.code();
        code.get().code.position(entry.word).map(|p| p.line).filter(|line| *line != 0)
    }
}
