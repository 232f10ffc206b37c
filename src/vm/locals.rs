//! The variables of a frame, by name: read and written where they are, while the frame runs, is suspended, or has ended.

use crate::bytecode::code::{Code, CodeFlags};
use crate::heap::{Gc, Raw, Value};
use crate::object::{Dict, Frame, Generator, Tuple, Variable};

use super::Vm;
use super::frame::{Held, RecordKind};
use super::inspect::Standing;
use super::native::Root;

/// Where a variable is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In this register, or in the cell that is there.
    Register(usize),
    /// In this cell of the function's closure.
    Free(usize),
}

/// A variable that a frame has.
#[derive(Debug)]
pub struct FrameVariable {
    /// Its name.
    pub name: Box<str>,
    /// Its value; UNBOUND if it has none.
    pub value: Raw,
    place: Place,
}

impl Vm {
    /// Whether `f_locals` of a frame is a view of its variables: it is a function's, not a module's or a class body's.
    pub fn frame_has_variables(&self, frame: Root) -> bool {
        let function = frame.get(self).exact::<Frame>().and_then(|frame| frame.get().function.get());
        function.is_some_and(|function| !function.code().flags().intersects(CodeFlags::NAMESPACE | CodeFlags::MODULE))
    }

    /// The variables of a frame, in CPython's order: parameters and plain locals, those in cells, those of enclosing functions.
    pub fn frame_variables(&mut self, frame: Root) -> Vec<FrameVariable> {
        let Some(object) = frame.get(self).exact::<Frame>().map(Gc::held) else { return vec![] };
        let Some(function) = object.get().function.get().map(Gc::held) else { return vec![] };
        let code = function.code().code.clone();
        let near = usize::from(function.code().get().locals);
        let mut found: Vec<FrameVariable> = vec![];
        for index in order(&code, near) {
            let name = &code.locals[index];
            if is_hidden(name) {
                continue;
            }
            let register = register_of(&code, near, index);
            let mut value = self.frame_register(object, register);
            if let Some(cell) = Value::adopt(value).exact::<Variable>() {
                value = cell.get().content.get().raw();
            }
            let variable = FrameVariable { name: name.clone(), value, place: Place::Register(register) };
            // A comprehension has variables of its own, which may have the same names: the one that is bound counts.
            match found.iter_mut().find(|known| known.name == variable.name) {
                Some(known) if !variable.value.is_unbound() => *known = variable,
                Some(_) => {}
                None => found.push(variable),
            }
        }
        if let Some(closure) = function.get().closure.get() {
            let mut free: Vec<_> = code.free.iter().zip(closure.items()).enumerate().collect();
            free.sort_by_key(|(_, (name, _))| *name);
            for (index, (name, cell)) in free {
                if let Some(cell) = cell.exact::<Variable>()
                    && &**name != "__class__"
                {
                    let value = cell.get().content.get().raw();
                    found.push(FrameVariable { name: name.clone(), value, place: Place::Free(index) });
                }
            }
        }
        found
    }

    /// Writes a variable of a frame.
    pub fn set_frame_variable(&mut self, frame: Root, variable: &FrameVariable, value: Raw) {
        let Some(object) = frame.get(self).exact::<Frame>().map(Gc::held) else { return };
        match variable.place {
            Place::Register(register) => self.set_frame_register(object, register, value),
            Place::Free(index) => {
                let function = object.get().function.get().map(Gc::held);
                let cell = function.and_then(|f| f.get().closure.get()).map(|closure| closure.item(index));
                if let Some(cell) = cell.and_then(|cell| cell.exact::<Variable>()) {
                    cell.set(&self.heap, |v| &v.content, Value::adopt(value));
                }
            }
        }
    }

    /// What scripts added to `f_locals` of a frame under names that are no variables; made if there is nothing yet.
    pub fn frame_additions(&mut self, frame: Root) -> Root {
        let Some(object) = frame.get(self).exact::<Frame>().map(Gc::held) else { return self.push_raw(Raw::NONE) };
        let names = object.get().names.value().raw();
        if Value::adopt(names).exact::<Dict>().is_some() {
            return self.push_raw(names);
        }
        let dict = Dict::new(&self.heap).value().raw();
        object.set_any(&self.heap, |f| &f.names, Value::adopt(dict));
        self.push_raw(dict)
    }

    fn frame_register(&mut self, frame: Held<Frame>, register: usize) -> Raw {
        match self.standing(frame) {
            Standing::Record(fiber, at) => {
                let value = self.on_fiber(fiber, |cx| {
                    let record = cx.fiber.records[at];
                    match record.kind {
                        RecordKind::InPlace { generator, .. } => generator.get_tail_value(register).raw(),
                        _ => cx.fiber.registers.get(record.base + register as u32).raw(),
                    }
                });
                value.unwrap_or(Raw::UNBOUND)
            }
            Standing::Generator(generator, _) => generator.get_tail_value(register).raw(),
            Standing::Ended => {
                let Some(saved) = frame.get().locals.get() else { return Raw::UNBOUND };
                let Some(at) = saved_place(frame, register) else { return Raw::UNBOUND };
                if at < saved.len() { saved.item(at).raw() } else { Raw::UNBOUND }
            }
        }
    }

    fn set_frame_register(&mut self, frame: Held<Frame>, register: usize, value: Raw) {
        let old = self.frame_register(frame, register);
        if let Some(cell) = Value::adopt(old).exact::<Variable>() {
            cell.set(&self.heap, |v| &v.content, Value::adopt(value));
            return;
        }
        let set = |cx: &Vm, generator: Held<Generator>| {
            generator.set_tail(&cx.heap, register, Value::adopt(value));
        };
        match self.standing(frame) {
            Standing::Record(fiber, at) => {
                self.on_fiber(fiber, |cx| {
                    let record = cx.fiber.records[at];
                    match record.kind {
                        RecordKind::InPlace { generator, .. } => set(cx, generator),
                        _ => cx.fiber.registers.set(record.base + register as u32, value),
                    }
                });
            }
            Standing::Generator(generator, _) => set(self, generator),
            Standing::Ended => {
                let (Some(saved), Some(at)) = (frame.get().locals.get(), saved_place(frame, register)) else { return };
                let copy = |i: usize| if i == at { Value::adopt(value) } else { saved.item(i) };
                let locals = Tuple::build(&self.heap, saved.len(), copy);
                frame.set_ref(&self.heap, |f| &f.locals, Some(locals));
            }
        }
    }
}

/// Whether a name is of the machine's own. What a generator expression goes over is seen, as CPython calls it.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && name != ".0"
}

/// Where a register's value is among the locals that were saved when the frame ended.
fn saved_place(frame: Held<Frame>, register: usize) -> Option<usize> {
    let function = frame.get().function.get()?;
    let near = usize::from(function.code().get().locals);
    let far = usize::from(function.code().get().code.far_base);
    Some(if register < near { register } else { register - far + near })
}

/// The register of local number `index`: past the near ones they are far.
fn register_of(code: &Code, near: usize, index: usize) -> usize {
    if index < near { index } else { usize::from(code.far_base) + index - near }
}

/// The locals of code as CPython lists them: parameters and plain locals, then those in cells by name.
pub(super) fn order(code: &Code, near: usize) -> Vec<usize> {
    let in_cell = |i: usize| {
        u16::try_from(register_of(code, near, i)).is_ok_and(|register| code.cell_registers.contains(&register))
    };
    let parameters = usize::from(code.parameters());
    let (mut order, mut cells): (Vec<usize>, Vec<usize>) =
        (0..code.locals.len()).partition(|&i| i < parameters || !in_cell(i));
    cells.sort_by_key(|&i| &code.locals[i]);
    order.append(&mut cells);
    order
}
