//! Source lines, by file and number.

use std::collections::HashMap;
use std::rc::Rc;

use crate::bytecode::code::Code;
use crate::heap::Value;
use crate::object::{Dict, List, Str, Tuple};
use crate::source::SourceFile;
use crate::syntax::decode_source;
use crate::vm::native::Cx;

/// The files one report needs, each read once.
#[derive(Debug, Default)]
pub(super) struct Lines {
    files: HashMap<String, Rc<[String]>>,
}

impl Lines {
    /// A line with its white space at the end gone; empty if there is none.
    pub(super) fn line(&mut self, cx: &mut Cx, filename: &str, number: u32, code: Option<&Code>) -> String {
        if !self.files.contains_key(filename) {
            let lines = file_lines(cx, filename);
            self.files.insert(filename.to_owned(), lines.into());
        }
        let at = (number as usize).wrapping_sub(1);
        let line = match self.files[filename].get(at).map(|line| trim(line)).filter(|line| !line.is_empty()) {
            Some(line) => line,
            // What was not read from a file: the text of `-c`, of standard input, of the prompt.
            None if filename.starts_with('<') => {
                let text = code.and_then(|code| cx.source_of_code(code)).and_then(|lines| lines.get(at));
                text.map_or("", |line| trim(line))
            }
            None => "",
        };
        line.to_owned()
    }
}

fn trim(line: &str) -> &str {
    line.trim_end_matches(super::source_text::is_space)
}

/// The lines of a file, each with its end; none if it has no text that can be read.
pub(super) fn file_lines(cx: &mut Cx, filename: &str) -> Vec<String> {
    cached_lines(cx, filename).unwrap_or_else(|| read_lines(cx, filename))
}

/// What a script put into `linecache.cache`.
fn cached_lines(cx: &mut Cx, filename: &str) -> Option<Vec<String>> {
    let name = cx.intern("cache").held();
    let module = cx.find_module("linecache")?.exact::<crate::object::Module>()?;
    let cache = module.dict().get_str(&cx.heap, name)?.exact::<Dict>()?;
    let key = Str::new(&cx.heap, filename);
    let entry = cache.get_str(&cx.heap, key)?.exact::<Tuple>()?;
    if entry.len() != 4 {
        return None;
    }
    let text = |value: Value<'_>| value.exact::<Str>().map(|s| s.to_str_lossy().into_owned()).unwrap_or_default();
    entry.item(2).exact::<List>().map(|lines| lines.items().map(text).collect())
}

/// The lines of a file as it is now. A relative name that is not there is looked for in the folders of `sys.path`.
pub(super) fn read_lines(cx: &mut Cx, filename: &str) -> Vec<String> {
    if filename.is_empty() || filename == "<stdin>" {
        return vec![];
    }
    if filename.starts_with('<') && filename.ends_with('>') {
        let lines = cx.source_named(filename).unwrap_or_default();
        return lines.iter().map(|line| format!("{line}\n")).collect();
    }
    let mut bytes = cx.host().read_file(filename).ok();
    if bytes.is_none() && !filename.starts_with('/') {
        let folders = search_path(cx);
        bytes = folders.iter().find_map(|folder| cx.host().read_file(&format!("{folder}/{filename}")).ok());
    }
    let Some(text) = bytes.and_then(|bytes| decode_source(&bytes, filename).ok()) else { return vec![] };
    split_source(filename, &text)
}

/// A text as the lines of a file, each with its end.
pub(super) fn split_source(filename: &str, text: &str) -> Vec<String> {
    let source = SourceFile::new(filename, text);
    let mut count = source.line_count();
    if count > 1 && source.line_text(count).is_empty() {
        count -= 1;
    }
    (1..=count).map(|line| format!("{}\n", source.line_text(line))).collect()
}

fn search_path(cx: &mut Cx) -> Vec<String> {
    let name = cx.intern("path").held();
    let Some(sys) = cx.find_module("sys").and_then(|m| m.exact::<crate::object::Module>()) else { return vec![] };
    let Some(path) = sys.dict().get_str(&cx.heap, name).and_then(|v| v.exact::<List>()) else { return vec![] };
    path.items().filter_map(|v| v.exact::<Str>().map(|s| s.to_str_lossy().into_owned())).collect()
}
