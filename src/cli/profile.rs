//! A profile as a table, and as a flame graph: a box for each function, as wide as the time in it, on top of what called it.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use crate::bytecode::code::Code;
use crate::vm::profile::{Node, Profile};

/// Rows of the table.
const MOST_ROWS: usize = 30;
/// Of the picture, in pixels.
const WIDTH: f64 = 1200.0;
const ROW: f64 = 17.0;
const MARGIN: f64 = 10.0;
const HEADER: f64 = 30.0;
/// The width of a character of the picture's font.
const CHARACTER: f64 = 6.7;
/// Narrower boxes are left out.
const NARROWEST: f64 = 0.2;

/// A function as it is shown.
fn label(code: &Code) -> String {
    let file = code.filename.rsplit('/').next().unwrap_or_default();
    match &*code.qualname {
        "<module>" => file.to_owned(),
        name => format!("{name} ({file}:{})", code.first_line),
    }
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 0.0 }
}

/// The time of each node with all that it called.
fn totals(nodes: &[Node]) -> Vec<f64> {
    let mut totals: Vec<f64> = nodes.iter().map(|node| node.own).collect();
    for at in (0..nodes.len()).rev() {
        if let Some(parent) = nodes[at].parent {
            totals[parent] += totals[at];
        }
    }
    totals
}

/// The functions that took the most time in themselves.
pub(super) fn table(profile: &Profile) -> String {
    let (totals, whole) = (totals(&profile.nodes), profile.total());
    let mut rows: HashMap<*const Code, (f64, f64)> = HashMap::new();
    for (at, node) in profile.nodes.iter().enumerate() {
        let row = rows.entry(std::ptr::from_ref(&*node.code)).or_default();
        row.0 += node.own;
        // What is below a call of the same function is counted with that.
        let outer = std::iter::successors(node.parent, |at| profile.nodes[*at].parent);
        if !outer.into_iter().any(|outer| std::ptr::eq(&raw const *profile.nodes[outer].code, &raw const *node.code)) {
            row.1 += totals[at];
        }
    }
    let mut seen = HashSet::new();
    let mut listed: Vec<(f64, f64, String)> = profile
        .nodes
        .iter()
        .filter(|node| seen.insert(std::ptr::from_ref(&*node.code)))
        .map(|node| {
            let (own, total) = rows[&std::ptr::from_ref(&*node.code)];
            (own, total, label(&node.code))
        })
        .collect();
    listed.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
    let mut out = format!("profile: {whole:.3} s of CPU time, {} samples\n", profile.samples);
    out += "      in itself      with what it calls   function\n";
    for (own, total, label) in listed.iter().take(MOST_ROWS) {
        let (own_part, total_part) = (percent(*own, whole), percent(*total, whole));
        let _ = writeln!(out, "{own:9.3} s {own_part:5.1}%  {total:9.3} s {total_part:5.1}%   {label}");
    }
    if listed.len() > MOST_ROWS {
        let _ = writeln!(out, "and {} more functions", listed.len() - MOST_ROWS);
    }
    out
}

/// The picture: an SVG that needs nothing else.
pub(super) fn flame_graph(profile: &Profile) -> String {
    let (totals, whole) = (totals(&profile.nodes), profile.total());
    let mut children: Vec<Vec<usize>> = vec![vec![]; profile.nodes.len()];
    let mut outermost = vec![];
    let mut depths = vec![0usize; profile.nodes.len()];
    for (at, node) in profile.nodes.iter().enumerate() {
        match node.parent {
            Some(parent) => {
                children[parent].push(at);
                depths[at] = depths[parent] + 1;
            }
            None => outermost.push(at),
        }
    }
    let scale = if whole > 0.0 { (WIDTH - 2.0 * MARGIN) / whole } else { 0.0 };
    let shown = |at: &usize| totals[*at] * scale >= NARROWEST;
    let rows = (0..profile.nodes.len()).filter(shown).map(|at| depths[at] + 1).max().unwrap_or(0);
    let height = HEADER + rows as f64 * ROW + MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"monospace\" font-size=\"11\">\n<style>g:hover rect {{ stroke: #000 }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fffdf5\"/>\n\
         <text x=\"{MARGIN}\" y=\"19\" font-size=\"13\">{whole:.3} s of CPU time, {} samples</text>\n",
        profile.samples
    );
    // Where the next box over a node begins.
    let mut pending: Vec<(usize, f64)> = vec![];
    let place = |ats: &[usize], mut x: f64, pending: &mut Vec<(usize, f64)>| {
        let mut ats: Vec<usize> = ats.iter().copied().filter(shown).collect();
        ats.sort_by(|a, b| totals[*b].total_cmp(&totals[*a]));
        for at in ats {
            pending.push((at, x));
            x += totals[at] * scale;
        }
    };
    place(&outermost, MARGIN, &mut pending);
    while let Some((at, x)) = pending.pop() {
        let (width, y) = (totals[at] * scale, height - MARGIN - (depths[at] + 1) as f64 * ROW);
        let label = label(&profile.nodes[at].code);
        let fits = ((width - 4.0) / CHARACTER).max(0.0) as usize;
        let text: String = match label.chars().count() <= fits {
            true => label.clone(),
            false if fits < 3 => String::new(),
            false => label.chars().take(fits - 1).chain(['…']).collect(),
        };
        let _ = writeln!(
            out,
            "<g><title>{}: {:.3} s, {:.1}% (in itself {:.3} s)</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{:.1}\" fill=\"{}\" rx=\"1\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
            escaped(&label),
            totals[at],
            percent(totals[at], whole),
            profile.nodes[at].own,
            ROW - 1.0,
            colour(&profile.nodes[at].code),
            x + 2.0,
            y + 12.0,
            escaped(&text),
        );
        place(&children[at], x, &mut pending);
    }
    out + "</svg>\n"
}

/// Colours are those of flames for the program's own functions, and cooler for those of the library; the same function always has the same.
fn colour(code: &Code) -> String {
    let hash = code.qualname.bytes().fold(7u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let (from, room) = if crate::vm::is_library_file(&code.filename) { (170, 40) } else { (10, 40) };
    format!("hsl({},{}%,{}%)", from + hash % room, 60 + hash / 64 % 25, 66 + hash / 4096 % 10)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::compile::Options;
    use crate::interpreter::compile_text;
    use crate::source::SourceFile;
    use crate::syntax::Mode;

    fn profile() -> Profile {
        let source = SourceFile::new("a.aio", "def f(): f()\ndef g(): pass\n");
        let options = Options { filename: "a.aio".into(), ..Options::default() };
        let (code, _) = compile_text(&source, Mode::Module, &options).expect("it compiles");
        let node = |code: &Arc<Code>, parent, own| Node { code: code.clone(), parent, own };
        let [f, g] = [0, 1].map(|at| code.children[at].clone());
        let mut profile = Profile::default();
        let parts = [(&code, None, 0.25), (&f, Some(0), 0.5), (&f, Some(1), 1.0), (&g, Some(2), 0.25)];
        profile.nodes = parts.map(|(code, parent, own)| node(code, parent, own)).into();
        profile.samples = 4;
        profile
    }

    #[test]
    fn a_function_below_itself_is_counted_once() {
        let text = table(&profile());
        let lines: Vec<&str> = text.lines().skip(2).map(str::trim).collect();
        assert_eq!(
            lines[0].split_whitespace().collect::<Vec<_>>().join(" "),
            "1.500 s 75.0% 1.750 s 87.5% f (a.aio:1)"
        );
        assert_eq!(lines.len(), 3, "{text}");
    }

    #[test]
    fn boxes_are_as_wide_as_the_time_in_them() {
        let text = flame_graph(&profile());
        assert_eq!(text.matches("<g>").count(), 4);
        assert!(text.contains("<title>a.aio: 2.000 s, 100.0% (in itself 0.250 s)</title><rect x=\"10.0\""), "{text}");
        assert!(text.contains("width=\"1180.0\"") && text.contains("width=\"147.5\""), "{text}");
    }
}
