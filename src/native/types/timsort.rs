//! The order of things of which only `less` can be asked, found with the questions CPython asks, in its order: a script that compares
//! sees them. Natural runs, short ones filled up by binary insertion, merged by the powersort rule with galloping.
//!
//! T. Peters, "listsort.txt" (CPython); J. I. Munro and S. Wild, "Nearly-Optimal Mergesorts" (ESA 2018) for which runs are merged when.

use crate::vm::native::Raised;

/// So many times in a row one run has to win before it is galloped through.
const MIN_GALLOP: usize = 7;
/// Fewer things than this are sorted by insertion alone.
const MAX_MIN_RUN: usize = 64;

/// Sorts numbers of things. After an error all of them are still there, in some order.
pub(super) fn sort_by(
    order: &mut [u32],
    less: &mut impl FnMut(u32, u32) -> Result<bool, Raised>,
) -> Result<(), Raised> {
    Sorting { order, less, runs: vec![], spare: vec![], min_gallop: MIN_GALLOP }.sort()
}

struct Run {
    start: usize,
    len: usize,
    /// Of the boundary to the next run: the depth of that in a nearly balanced tree of merges.
    power: u32,
}

struct Sorting<'a, F> {
    order: &'a mut [u32],
    less: &'a mut F,
    /// Runs that wait to be merged, from left to right.
    runs: Vec<Run>,
    /// The shorter run of a merge.
    spare: Vec<u32>,
    /// How often a run has to win in a row, as experience with these things has it.
    min_gallop: usize,
}

/// What ends a merge.
enum Rest {
    /// What is left of the run in `spare` fills the gap.
    Spare,
    /// One thing is left in `spare`, and it belongs behind all that is left of the other run (seen from where the merge began).
    Other,
}

/// Whether the first of two things is less than the second.
trait Less: FnMut(u32, u32) -> Result<bool, Raised> {}

impl<F: FnMut(u32, u32) -> Result<bool, Raised>> Less for F {}

impl<F: Less> Sorting<'_, F> {
    fn sort(mut self) -> Result<(), Raised> {
        let len = self.order.len();
        let min_run = min_run(len);
        let mut start = 0;
        while start < len {
            let mut run = self.natural_run(start)?;
            let forced = min_run.min(len - start);
            if run < forced {
                self.insert_rest(start, run, forced)?;
                run = forced;
            }
            self.add_run(start, run)?;
            start += run;
        }
        while let n @ 2.. = self.runs.len() {
            let at = if n > 2 && self.runs[n - 3].len < self.runs[n - 1].len { n - 3 } else { n - 2 };
            self.merge_at(at)?;
        }
        Ok(())
    }

    fn less(&mut self, a: u32, b: u32) -> Result<bool, Raised> {
        (self.less)(a, b)
    }

    /// Whether the thing at a place is less than the one before.
    fn falls(&mut self, at: usize) -> Result<bool, Raised> {
        self.less(self.order[at], self.order[at - 1])
    }

    /// The length of the run at a place. One that falls is turned round, its equal things among themselves twice.
    fn natural_run(&mut self, start: usize) -> Result<usize, Raised> {
        let end = self.order.len();
        let mut at = start + 1;
        while at < end && !self.falls(at)? {
            at += 1;
        }
        if at == end {
            return Ok(at - start);
        }
        if at > start + 1 {
            if self.less(self.order[start], self.order[at - 1])? {
                return Ok(at - start);
            }
            // All equal so far: they may as well begin a falling run.
            self.order[start..at].reverse();
        }
        at += 1;
        let mut equal_from = at - 1;
        while at < end {
            if self.falls(at)? {
                self.order[equal_from..at].reverse();
                equal_from = at;
            } else if self.less(self.order[at - 1], self.order[at])? {
                break;
            }
            at += 1;
        }
        self.order[equal_from..at].reverse();
        self.order[start..at].reverse();
        while at < end && !self.falls(at)? {
            at += 1;
        }
        Ok(at - start)
    }

    /// Makes a run of `len` things at `start`, the first `sorted` of which are one.
    fn insert_rest(&mut self, start: usize, sorted: usize, len: usize) -> Result<(), Raised> {
        for at in start + sorted..start + len {
            let pivot = self.order[at];
            let (mut low, mut high) = (start, at);
            while low < high {
                let middle = low + (high - low) / 2;
                if self.less(pivot, self.order[middle])? {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            self.order.copy_within(low..at, low + 1);
            self.order[low] = pivot;
        }
        Ok(())
    }

    /// A run was found: those before it that lie deeper in the tree of merges are merged.
    fn add_run(&mut self, start: usize, len: usize) -> Result<(), Raised> {
        if let Some(last) = self.runs.last() {
            let power = power(last.start, last.len, len, self.order.len());
            while let n @ 2.. = self.runs.len()
                && self.runs[n - 2].power > power
            {
                self.merge_at(n - 2)?;
            }
            self.runs.last_mut().expect("merging leaves a run").power = power;
        }
        self.runs.push(Run { start, len, power: 0 });
        Ok(())
    }

    /// Merges run number `at` and the next.
    fn merge_at(&mut self, at: usize) -> Result<(), Raised> {
        let next = self.runs.remove(at + 1);
        let run = &mut self.runs[at];
        let (start, len) = (run.start, run.len);
        run.len += next.len;
        run.power = next.power;
        // What is in its place already is left alone: the head of the first run, the tail of the second.
        let start = start + self.gallop_right(Place::Order(next.start), Side::Order(start), len, 0)?;
        let len = next.start - start;
        if len == 0 {
            return Ok(());
        }
        let last = Place::Order(next.start - 1);
        let next_len = self.gallop_left(last, Side::Order(next.start), next.len, next.len - 1)?;
        if next_len == 0 {
            return Ok(());
        }
        self.spare.clear();
        if len <= next_len {
            self.spare.extend_from_slice(&self.order[start..next.start]);
            self.merge_low(start, next.start, next.start + next_len)
        } else {
            self.spare.extend_from_slice(&self.order[next.start..next.start + next_len]);
            self.merge_high(start, next.start, next.start + next_len)
        }
    }

    /// Merges from the left: the first run is in `spare`, the second at `right..end`, the gap begins at `to`.
    fn merge_low(&mut self, to: usize, right: usize, end: usize) -> Result<(), Raised> {
        let mut merge = Low { to, left: 0, right, end };
        // The first thing of the second run is known to come first.
        let first = merge.take_right(self, 1);
        let done = self.merge(&mut merge, first);
        let Low { to, left, right, end } = merge;
        match done {
            Ok(Rest::Other) => {
                self.order.copy_within(right..end, to);
                self.order[end - 1] = self.spare[left];
            }
            Ok(Rest::Spare) | Err(_) => {
                let rest = &self.spare[left..];
                self.order[to..to + rest.len()].copy_from_slice(rest);
            }
        }
        done.map(drop)
    }

    /// Merges from the right: the second run is in `spare`, the first at `start..left`, the gap ends at `end`.
    fn merge_high(&mut self, start: usize, left: usize, end: usize) -> Result<(), Raised> {
        let mut merge = High { start, left, right: self.spare.len(), to: end };
        // The last thing of the first run is known to come last.
        let last = merge.take_left(self, 1);
        let done = self.merge(&mut merge, last);
        let High { start, left, right, to } = merge;
        match done {
            Ok(Rest::Other) => {
                self.order.copy_within(start..left, start + 1);
                self.order[start] = self.spare[0];
            }
            Ok(Rest::Spare) | Err(_) => self.order[to - right..to].copy_from_slice(&self.spare[..right]),
        }
        done.map(drop)
    }

    /// Merges until something ends it, as perhaps the first step did.
    fn merge(&mut self, merge: &mut impl Merge, first: Option<Rest>) -> Result<Rest, Raised> {
        if let Some(rest) = first {
            return Ok(rest);
        }
        if self.spare.len() == 1 {
            return Ok(Rest::Other);
        }
        let mut min_gallop = self.min_gallop;
        loop {
            let (mut lefts, mut rights) = (0, 0);
            while lefts < min_gallop && rights < min_gallop {
                let (right, left) = merge.heads(self);
                let rest = if self.less(right, left)? == merge.less_is_right() {
                    (lefts, rights) = (0, rights + 1);
                    merge.take_right(self, 1)
                } else {
                    (lefts, rights) = (lefts + 1, 0);
                    merge.take_left(self, 1)
                };
                if let Some(rest) = rest {
                    return Ok(rest);
                }
            }
            // One run wins so often that finding the end of its wins at once is worth while.
            min_gallop += 1;
            loop {
                min_gallop -= usize::from(min_gallop > 1);
                self.min_gallop = min_gallop;
                lefts = merge.lefts(self)?;
                if lefts > 0
                    && let Some(rest) = merge.take_left(self, lefts)
                {
                    return Ok(rest);
                }
                if let Some(rest) = merge.take_right(self, 1) {
                    return Ok(rest);
                }
                rights = merge.rights(self)?;
                if rights > 0
                    && let Some(rest) = merge.take_right(self, rights)
                {
                    return Ok(rest);
                }
                if let Some(rest) = merge.take_left(self, 1) {
                    return Ok(rest);
                }
                if lefts < MIN_GALLOP && rights < MIN_GALLOP {
                    break;
                }
            }
            min_gallop += 1;
            self.min_gallop = min_gallop;
        }
    }

    fn get(&self, place: Place) -> u32 {
        match place {
            Place::Order(at) => self.order[at],
            Place::Spare(at) => self.spare[at],
        }
    }

    /// Where among `n` sorted things the key belongs, before its equals; looked for from `hint` on, in growing steps.
    fn gallop_left(&mut self, key: Place, side: Side, n: usize, hint: usize) -> Result<usize, Raised> {
        self.gallop(side, n, hint, |sorting, at| {
            let (thing, key) = (sorting.get(at), sorting.get(key));
            sorting.less(thing, key)
        })
    }

    /// As `gallop_left`, behind its equals.
    fn gallop_right(&mut self, key: Place, side: Side, n: usize, hint: usize) -> Result<usize, Raised> {
        self.gallop(side, n, hint, |sorting, at| {
            let (thing, key) = (sorting.get(at), sorting.get(key));
            sorting.less(key, thing).map(|less| !less)
        })
    }

    /// The number of things at the start of `n` for which `before` holds.
    fn gallop(
        &mut self,
        side: Side,
        n: usize,
        hint: usize,
        before: impl Fn(&mut Self, Place) -> Result<bool, Raised>,
    ) -> Result<usize, Raised> {
        let (mut near, mut far) = (0, 1);
        let (mut low, mut high);
        if before(self, side.at(hint))? {
            let most = n - hint;
            while far < most && before(self, side.at(hint + far))? {
                near = far;
                far = far * 2 + 1;
            }
            (low, high) = (hint + near + 1, hint + far.min(most));
        } else {
            let most = hint + 1;
            while far < most && !before(self, side.at(hint - far))? {
                near = far;
                far = far * 2 + 1;
            }
            (low, high) = (most - far.min(most), hint - near);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if before(self, side.at(middle))? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(high)
    }
}

/// Where a thing is.
#[derive(Clone, Copy)]
enum Place {
    Order(usize),
    Spare(usize),
}

/// Where sorted things begin.
#[derive(Clone, Copy)]
enum Side {
    Order(usize),
    Spare(usize),
}

impl Side {
    fn at(self, index: usize) -> Place {
        match self {
            Side::Order(start) => Place::Order(start + index),
            Side::Spare(start) => Place::Spare(start + index),
        }
    }
}

/// A merge of two runs, from one of their ends: the left one comes first where things are equal.
trait Merge {
    /// Whether the lesser of two heads is taken from the right run; else it is left for later, and the left one's head is taken.
    fn less_is_right(&self) -> bool;

    /// The things that are compared next: the right run's, the left run's.
    fn heads<F>(&self, s: &Sorting<'_, F>) -> (u32, u32);

    /// How many things of the left run go before, or, from the right, behind the right run's head.
    fn lefts<F: Less>(&self, s: &mut Sorting<'_, F>) -> Result<usize, Raised>;

    /// How many things of the right run go before, or, from the right, behind the left run's head.
    fn rights<F: Less>(&self, s: &mut Sorting<'_, F>) -> Result<usize, Raised>;

    /// Puts things of the left run into the gap.
    fn take_left<F>(&mut self, s: &mut Sorting<'_, F>, n: usize) -> Option<Rest>;

    /// Puts things of the right run into the gap.
    fn take_right<F>(&mut self, s: &mut Sorting<'_, F>, n: usize) -> Option<Rest>;
}

/// A merge from the left.
struct Low {
    to: usize,
    left: usize,
    right: usize,
    end: usize,
}

impl Merge for Low {
    fn less_is_right(&self) -> bool {
        true
    }

    fn heads<F>(&self, s: &Sorting<'_, F>) -> (u32, u32) {
        (s.order[self.right], s.spare[self.left])
    }

    fn lefts<F: Less>(&self, s: &mut Sorting<'_, F>) -> Result<usize, Raised> {
        let n = s.spare.len() - self.left;
        s.gallop_right(Place::Order(self.right), Side::Spare(self.left), n, 0)
    }

    fn rights<F: Less>(&self, s: &mut Sorting<'_, F>) -> Result<usize, Raised> {
        s.gallop_left(Place::Spare(self.left), Side::Order(self.right), self.end - self.right, 0)
    }

    fn take_left<F>(&mut self, s: &mut Sorting<'_, F>, n: usize) -> Option<Rest> {
        s.order[self.to..self.to + n].copy_from_slice(&s.spare[self.left..self.left + n]);
        self.to += n;
        self.left += n;
        match s.spare.len() - self.left {
            // Only a comparison that contradicts itself comes to this.
            0 => Some(Rest::Spare),
            1 => Some(Rest::Other),
            _ => None,
        }
    }

    fn take_right<F>(&mut self, s: &mut Sorting<'_, F>, n: usize) -> Option<Rest> {
        s.order.copy_within(self.right..self.right + n, self.to);
        self.to += n;
        self.right += n;
        (self.right == self.end).then_some(Rest::Spare)
    }
}

/// A merge from the right; places are those behind what is left.
struct High {
    start: usize,
    left: usize,
    right: usize,
    to: usize,
}

impl Merge for High {
    fn less_is_right(&self) -> bool {
        false
    }

    fn heads<F>(&self, s: &Sorting<'_, F>) -> (u32, u32) {
        (s.spare[self.right - 1], s.order[self.left - 1])
    }

    fn lefts<F: Less>(&self, s: &mut Sorting<'_, F>) -> Result<usize, Raised> {
        let n = self.left - self.start;
        Ok(n - s.gallop_right(Place::Spare(self.right - 1), Side::Order(self.start), n, n - 1)?)
    }

    fn rights<F: Less>(&self, s: &mut Sorting<'_, F>) -> Result<usize, Raised> {
        let n = self.right;
        Ok(n - s.gallop_left(Place::Order(self.left - 1), Side::Spare(0), n, n - 1)?)
    }

    fn take_left<F>(&mut self, s: &mut Sorting<'_, F>, n: usize) -> Option<Rest> {
        s.order.copy_within(self.left - n..self.left, self.to - n);
        self.to -= n;
        self.left -= n;
        (self.left == self.start).then_some(Rest::Spare)
    }

    fn take_right<F>(&mut self, s: &mut Sorting<'_, F>, n: usize) -> Option<Rest> {
        s.order[self.to - n..self.to].copy_from_slice(&s.spare[self.right - n..self.right]);
        self.to -= n;
        self.right -= n;
        match self.right {
            0 => Some(Rest::Spare),
            1 => Some(Rest::Other),
            _ => None,
        }
    }
}

/// The least length of a run, so that their number is a power of two or a little less.
fn min_run(mut len: usize) -> usize {
    let mut rest = 0;
    while len >= MAX_MIN_RUN {
        rest |= len & 1;
        len >>= 1;
    }
    len + rest
}

/// How many bits the middles of two neighbouring runs share, as fractions of the whole, and one more.
fn power(start: usize, len: usize, next_len: usize, whole: usize) -> u32 {
    // Twice the middles, so that they are whole numbers.
    let (mut a, mut b) = (2 * start + len, 2 * start + 2 * len + next_len);
    let mut bits = 1;
    loop {
        if a >= whole {
            a -= whole;
            b -= whole;
        } else if b >= whole {
            return bits;
        }
        (a, b) = (a * 2, b * 2);
        bits += 1;
    }
}
