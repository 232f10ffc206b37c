//! What is decided outside of the program, in one place: as it comes, written down, or as it was written down before.

use crate::vm::host::Choice;

/// Decides: see [`crate::vm::host::Host::decide`].
#[derive(Debug, Default)]
pub struct Choices {
    /// What was decided, in order.
    record: Option<Vec<(Choice, u64)>>,
    /// What is to be decided, the next at the end.
    replay: Vec<(Choice, u64)>,
    /// Decisions that a recording had not, or had of another kind: the program is not the one that was recorded.
    strays: usize,
}

impl Choices {
    /// From now on writes down what is decided.
    pub fn record(&mut self) {
        self.record.get_or_insert_default();
    }

    /// From now on decides as a text of [`Choices::text`] says. None if it is none.
    pub fn replay(&mut self, text: &str) -> Option<()> {
        let mut decided = vec![];
        for line in text.lines() {
            let (name, number) = line.split_once(' ')?;
            let choice = Choice::ALL.into_iter().find(|choice| choice.name() == name)?;
            decided.push((choice, number.parse().ok()?));
        }
        decided.reverse();
        self.replay = decided;
        Some(())
    }

    /// What was decided since `record`, a line each.
    pub fn text(&self) -> String {
        let lines = self.record.iter().flatten().map(|(choice, number)| format!("{} {number}\n", choice.name()));
        lines.collect()
    }

    /// Whether anything is written down or replayed.
    pub fn is_used(&self) -> bool {
        self.record.is_some() || !self.replay.is_empty()
    }

    /// Decisions that the recording did not have.
    pub fn strays(&self) -> usize {
        self.strays
    }

    /// Decides.
    pub fn decide(&mut self, choice: Choice, natural: u64) -> u64 {
        let decided = match self.replay.pop() {
            Some((recorded, number)) if recorded == choice => number,
            Some(_) => {
                // Another program or another aio: the rest would fit as little.
                self.replay.clear();
                self.strays += 1;
                natural
            }
            None => natural,
        };
        if let Some(record) = &mut self.record {
            record.push((choice, decided));
        }
        decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_decides_again() {
        let mut first = Choices::default();
        first.record();
        assert_eq!(first.decide(Choice::Seed, 17), 17);
        assert_eq!(first.decide(Choice::Fiber, 0), 0);
        let mut second = Choices::default();
        second.replay(&first.text()).expect("what was written");
        assert_eq!(second.decide(Choice::Seed, 4), 17);
        assert_eq!(second.decide(Choice::Fiber, 1), 0);
        assert_eq!(second.decide(Choice::Fiber, 1), 1, "past the end all is natural");
        assert_eq!(second.strays(), 0);
    }

    #[test]
    fn another_program_is_noticed() {
        let mut choices = Choices::default();
        choices.replay("seed 5\nfiber 1\n").expect("a recording");
        assert_eq!(choices.decide(Choice::Fiber, 0), 0);
        assert_eq!(choices.decide(Choice::Fiber, 0), 0);
        assert_eq!(choices.strays(), 1);
        assert!(choices.replay("nonsense").is_none());
    }
}
