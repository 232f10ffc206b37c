//! The event ring: what the scheduler did last, always on. Fixed in size, a few ns an event; traces, timelines and reports of
//! blocked loops read it.

/// Events the ring holds; a power of two.
const EVENTS: usize = 4096;

/// What happened to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum What {
    /// It was made (by the other one).
    Spawn,
    /// It runs.
    Step,
    /// It waits.
    Wait,
    /// What it waited for is done.
    Wake,
    /// Somebody (the other one) asked it to stop.
    Cancel,
    /// It ended.
    End,
}

/// An event.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "written always; read by reports and by a debugger")]
pub(crate) struct Event {
    /// The turn of the loop.
    pub(crate) turn: u32,
    /// What.
    pub(crate) what: What,
    /// The number of the task.
    pub(crate) task: u32,
    /// The number of another task that has to do with it, or 0.
    pub(crate) other: u32,
}

/// The ring.
pub(crate) struct Ring {
    /// Room for [`EVENTS`], which is not touched before it is needed.
    events: Vec<Event>,
    next: usize,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({} events)", self.next)
    }
}

impl Ring {
    /// A ring without events.
    pub(crate) fn new() -> Ring {
        Ring { events: Vec::with_capacity(EVENTS), next: 0 }
    }

    /// Notes an event.
    #[inline(always)]
    pub(crate) fn note(&mut self, turn: u32, what: What, task: u32, other: u32) {
        let event = Event { turn, what, task, other };
        match self.events.get_mut(self.next & (EVENTS - 1)) {
            Some(place) => *place = event,
            None => self.events.push(event),
        }
        self.next = self.next.wrapping_add(1);
    }

    /// The events it still has, oldest first.
    #[allow(dead_code, reason = "read by the tools that show what happened")]
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> + '_ {
        let from = self.next.saturating_sub(EVENTS);
        (from..self.next).map(|i| self.events[i & (EVENTS - 1)])
    }
}
