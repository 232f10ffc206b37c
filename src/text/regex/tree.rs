//! The tree of a pattern.

/// A sequence of items to match one after the other.
pub(super) type Seq = Vec<Node>;

/// An item of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Literal(u32),
    NotLiteral(u32),
    /// `.`
    Any,
    /// `[...]`
    Class {
        negate: bool,
        items: Vec<Item>,
    },
    At(Place),
    Branch(Vec<Seq>),
    Repeat {
        how: How,
        min: u32,
        max: u32,
        body: Seq,
    },
    /// A group: its number if it captures, flags turned on and off in it.
    Group {
        id: Option<u32>,
        add: u32,
        del: u32,
        body: Seq,
    },
    Atomic(Seq),
    Look {
        behind: bool,
        negate: bool,
        body: Seq,
    },
    Ref(u32),
    Cond {
        group: u32,
        yes: Seq,
        no: Option<Seq>,
    },
    /// Never matches.
    Fail,
}

/// What a class holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Literal(u32),
    Range(u32, u32),
    Category(Category),
}

/// Classes with letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Digit,
    NotDigit,
    Space,
    NotSpace,
    Word,
    NotWord,
}

/// Places that match without taking anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `^`
    Beginning,
    /// `$`
    End,
    /// `\A`
    Start,
    /// `\Z`
    Stop,
    Boundary,
    NonBoundary,
}

/// How a repetition goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// As often as it can, and fewer times if what follows fails.
    Greedy,
    /// As few times as it can.
    Lazy,
    /// As often as it can, and that's final.
    Possessive,
}

/// No upper bound.
pub(super) const MANY: u32 = u32::MAX;

/// The least and the greatest number of characters a sequence takes.
pub(super) fn width(seq: &[Node], groups: &[Option<(u64, u64)>]) -> (u64, u64) {
    let mut total = (0u64, 0u64);
    for node in seq {
        let (low, high) = match node {
            Node::Literal(_) | Node::NotLiteral(_) | Node::Any | Node::Class { .. } => (1, 1),
            Node::At(_) | Node::Look { .. } | Node::Fail => (0, 0),
            Node::Branch(branches) => {
                branches.iter().map(|b| width(b, groups)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0))
            }
            Node::Repeat { min, max, body, .. } => {
                let (low, high) = width(body, groups);
                let high = match (*max, high) {
                    (_, 0) => 0,
                    (MANY, _) => u64::MAX,
                    (max, high) => high.saturating_mul(u64::from(max)),
                };
                (low.saturating_mul(u64::from(*min)), high)
            }
            Node::Group { body, .. } | Node::Atomic(body) => width(body, groups),
            Node::Ref(group) => groups.get(*group as usize).copied().flatten().unwrap_or((0, 0)),
            Node::Cond { yes, no, .. } => {
                let yes = width(yes, groups);
                let no = no.as_ref().map_or((0, 0), |no| width(no, groups));
                (yes.0.min(no.0), yes.1.max(no.1))
            }
        };
        total = (total.0.saturating_add(low), total.1.saturating_add(high));
    }
    total
}
