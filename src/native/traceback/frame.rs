//! One frame of a traceback as text: the line that says where, the source, and signs under the part of it that was running.

use super::anchors::{self, Anchors};
use super::source_text::{characters_before, dedent, indent, is_space, split_lines, strip};
use super::width::columns;

/// Frames alike are shown this often before they are counted.
const REPEATS: usize = 3;

/// What a traceback shows of a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FrameSummary {
    /// The file.
    pub(super) filename: String,
    /// The name of the function.
    pub(super) name: String,
    /// The line, from 1.
    pub(super) line: Option<u32>,
    /// The last line of what was running.
    pub(super) end_line: Option<u32>,
    /// Where what was running begins on the first line and ends on the last, in bytes.
    pub(super) columns: Option<(u32, u32)>,
    /// The source lines, as they are in the file.
    pub(super) source: Option<String>,
    /// Names of locals with their reprs.
    pub(super) locals: Vec<(String, String)>,
}

impl FrameSummary {
    /// The lines that show the frame.
    pub(super) fn render(&self) -> String {
        let filename = if self.filename.starts_with("<stdin-") && self.filename.ends_with('>') {
            "<stdin>"
        } else {
            &self.filename
        };
        let line = self.line.map_or_else(|| "None".to_owned(), |line| line.to_string());
        let mut out = format!("  File \"{filename}\", line {line}, in {}\n", self.name);
        if let Some(source) = &self.source
            && !strip(source).is_empty()
        {
            match self.marked_source(source) {
                Some(marked) => out.push_str(&marked),
                None => {
                    let first = source.split('\n').next().unwrap_or_default();
                    out.push_str(&indent(strip(first), "    "));
                    out.push('\n');
                }
            }
        }
        let mut locals: Vec<&(String, String)> = self.locals.iter().collect();
        locals.sort();
        for (name, value) in locals {
            out.push_str(&format!("    {name} = {value}\n"));
        }
        out
    }

    /// The source with signs under what was running; none without columns.
    fn marked_source(&self, source: &str) -> Option<String> {
        let (start, end) = self.columns?;
        let last = (self.end_line?.checked_sub(self.line?)?) as usize;
        let original = split_lines(source);
        let dedented = dedent(source);
        let mut lines = split_lines(&dedented);
        lines.truncate(last + 1);
        let (first_line, last_line) = (original.first()?, original.get(last)?);
        let margin = first_line.chars().count() - lines.first()?.chars().count();
        let start = characters_before(first_line, start).saturating_sub(margin);
        let end = characters_before(last_line, end).saturating_sub(margin);

        let whole: Vec<char> = lines.join("\n").chars().collect();
        let last_length = lines.last()?.chars().count();
        let segment_end = whole.len().saturating_sub(last_length.saturating_sub(end));
        let segment: String = whole.get(start..segment_end).unwrap_or_default().iter().collect();
        let found = anchors::find(&segment).filter(|a| a.start.0 < lines.len() && a.end.0 < lines.len());
        let carets = anchors::worth_carets(&lines, start, end, found.as_ref());
        let marks = Marks::new(&lines, start, end, found);

        let mut out = String::new();
        let mut shown: Option<usize> = None;
        for number in marks.significant() {
            let hidden = shown.map_or(0, |before| number - before - 1);
            match hidden {
                0 => {}
                1 => marks.push_line(&mut out, number - 1, carets),
                _ => out.push_str(&format!("...<{hidden} lines>...\n")),
            }
            marks.push_line(&mut out, number, carets);
            shown = Some(number);
        }
        Some(indent(&dedent(&out), "    "))
    }
}

/// Lines with the signs below them; places are in columns of a terminal.
struct Marks<'a> {
    lines: Vec<(&'a str, Vec<char>)>,
    start: usize,
    end: usize,
    /// The part that gets `^` while the rest gets `~`.
    sharp: Option<Anchors>,
}

impl<'a> Marks<'a> {
    fn new(lines: &[&'a str], start: usize, end: usize, anchors: Option<Anchors>) -> Marks<'a> {
        let lines: Vec<(&str, Vec<char>)> = lines.iter().map(|line| (*line, line.chars().collect())).collect();
        let column = |line: usize, at: usize| {
            let chars = &lines[line].1;
            // Past the end of an ASCII line columns go on being counted.
            let within = at.min(chars.len());
            columns(&chars[..within]) + if chars.iter().all(char::is_ascii) { at - within } else { 0 }
        };
        let sharp = anchors.map(|found| {
            let moved = |(line, at): (usize, usize)| (line, column(line, if line == 0 { at + start } else { at }));
            Anchors { start: moved(found.start), end: moved(found.end) }
        });
        let (start, end) = (column(0, start), column(lines.len() - 1, end));
        Marks { lines, start, end, sharp }
    }

    /// The lines to show: the first, the last, and those around where the sharp part begins and ends.
    fn significant(&self) -> Vec<usize> {
        let mut numbers = vec![0, self.lines.len() - 1];
        if let Some(sharp) = &self.sharp {
            for line in [sharp.start.0, sharp.end.0] {
                numbers.extend(line.saturating_sub(1)..=line + 1);
            }
        }
        numbers.retain(|number| *number < self.lines.len());
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn push_line(&self, out: &mut String, number: usize, carets: bool) {
        let (text, chars) = &self.lines[number];
        out.push_str(text);
        out.push('\n');
        if !carets {
            return;
        }
        let spaces = chars.iter().take_while(|c| is_space(**c)).count();
        let end = if number == self.lines.len() - 1 { self.end } else { columns(chars) };
        for column in 0..end {
            let at = (number, column);
            let sign = match &self.sharp {
                _ if column < spaces || (number == 0 && column < self.start) => ' ',
                Some(sharp) if at >= sharp.start && at < sharp.end => '^',
                Some(_) => '~',
                None => '^',
            };
            out.push(sign);
        }
        out.push('\n');
    }
}

/// Frames one after the other; from the fourth of a run of the same line on they are only counted.
pub(super) fn render_frames<'a>(frames: impl Iterator<Item = (&'a FrameSummary, String)>) -> Vec<String> {
    let mut out = vec![];
    let mut before: Option<&FrameSummary> = None;
    let mut count = 0;
    let finish_run = |out: &mut Vec<String>, count: usize| {
        if let Some(more @ 1..) = count.checked_sub(REPEATS) {
            let times = if more > 1 { "times" } else { "time" };
            out.push(format!("  [Previous line repeated {more} more {times}]\n"));
        }
    };
    for (frame, text) in frames {
        let same = before.is_some_and(|b| {
            b.filename == frame.filename && b.line.is_some() && b.line == frame.line && b.name == frame.name
        });
        if !same {
            finish_run(&mut out, count);
            before = Some(frame);
            count = 0;
        }
        count += 1;
        if count <= REPEATS {
            out.push(text);
        }
    }
    finish_run(&mut out, count);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(source: &str, lines: u32, start: u32, end: u32) -> String {
        let frame = FrameSummary {
            filename: "x.aio".into(),
            name: "f".into(),
            line: Some(1),
            end_line: Some(lines),
            columns: Some((start, end)),
            source: Some(format!("{source}\n")),
            ..FrameSummary::default()
        };
        frame.render().split_once('\n').expect("a line that says where").1.to_owned()
    }

    #[test]
    fn signs_are_under_what_ran() {
        assert_eq!(show("    x = 1 / 0", 1, 8, 13), "    x = 1 / 0\n        ~~^~~\n");
        assert_eq!(show("  a.b.c", 1, 2, 5), "    a.b.c\n    ^^^\n");
        assert_eq!(show("x = é[1]", 1, 4, 9), "    x = é[1]\n        ~^^^\n");
        assert_eq!(show("x = '漢' + 1", 1, 4, 13), "    x = '漢' + 1\n        ~~~~~^~~\n");
    }

    #[test]
    fn no_signs_where_they_say_nothing() {
        assert_eq!(show("  raise X", 1, 2, 9), "    raise X\n");
        assert_eq!(show("x = f()", 1, 4, 7), "    x = f()\n");
        assert_eq!(show("return f(1)", 1, 7, 11), "    return f(1)\n");
    }

    #[test]
    fn long_expressions_are_cut() {
        let text = "f(\n    1,\n    2,\n    3,\n    4,\n)";
        let lines = ["f(", "~^", "    1,", "    ^^", "...<2 lines>...", "    4,", "    ^^", ")", "^", ""];
        assert_eq!(show(text, 6, 0, 1), indent(&lines.join("\n"), "    "));
    }
}
