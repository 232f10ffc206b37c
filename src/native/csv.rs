//! The module `_csv_rows`: rows of tables in the usual forms, read and written at once. Whatever is unusual or wrong is left to `stdlib/csv.aio`,
//! which then begins again: nothing was done yet, and no script was asked.

use crate::heap::{Kind, Raw, Value};
use crate::native::natives;
use crate::number::float_repr;
use crate::object::{List, Str, Tuple};
use crate::vm::native::{Cx, NativeResult, Outcome, Raised, Root};

/// Makes the module.
pub(super) fn install(cx: &mut Cx) -> Result<(), Raised> {
    let module = cx.new_module("_csv_rows").held();
    cx.functions_of(module, &FUNCTIONS);
    Ok(())
}

natives!(
    /// Rows of tables.
    static FUNCTIONS: Functions;

    /// Return the fields of a line, or None.
    fn split(cx: &mut Cx, line: Root, delimiter: Root, quote: Root, limit: i64) -> NativeResult {
        let texts = [line, delimiter, quote]
            .map(|root| Value::<'static>::adopt(root.get(cx).raw()).exact::<Str>().map(|text| text.as_bytes()));
        let [Some(line), Some(&[delimiter]), Some(&[quote])] = texts else { return Ok(Outcome::NONE) };
        cx.check_room(line.len().saturating_mul(4))?;
        let mut fields: Vec<Raw> = vec![];
        let mut reader = Fields { line, at: 0, delimiter, quote, limit: usize::try_from(limit).unwrap_or(0) };
        let complete = loop {
            match reader.next() {
                Field::Plain(text) => fields.push(cx.text_raw(text)),
                Field::Built(text) => fields.push(cx.text_raw(&text)),
                Field::End => break true,
                Field::Odd => break false,
            }
        };
        if !complete {
            return Ok(Outcome::NONE);
        }
        Ok(List::build(&cx.heap, fields.len(), |at| Value::adopt(fields[at].copied())).into())
    }

    /// Return the text of a row, with its end, or None. `form` has the delimiter, the quote, how fields are quoted, and the end.
    fn join(cx: &mut Cx, row: Root, form: Root) -> NativeResult {
        let row: Value<'static> = Value::adopt(row.get(cx).raw());
        let (list, tuple) = (row.exact::<List>(), row.exact::<Tuple>());
        let length = list.map(|list| list.len()).or(tuple.map(|tuple| tuple.len()));
        let form: Option<crate::heap::Gc<'static, Tuple>> = Value::<'static>::adopt(form.get(cx).raw()).exact();
        let (Some(length), Some(form)) = (length, form) else { return Ok(Outcome::NONE) };
        let texts = [0, 1, 3].map(|at| form.item(at).exact::<Str>().map(|text| text.as_bytes()));
        let ([Some(&[delimiter]), Some(&[quote]), Some(end)], Some(quoting)) = (texts, form.item(2).as_int()) else {
            return Ok(Outcome::NONE);
        };
        let mut out = Vec::with_capacity(16 * length + end.len());
        for at in 0..length {
            let item = match (list, tuple) {
                (Some(list), _) => list.item(at),
                (None, tuple) => tuple.map(|tuple| tuple.item(at)),
            };
            let Some(item) = item else { return Ok(Outcome::NONE) };
            let number;
            let (text, numeric): (&[u8], bool) = match item.kind() {
                Kind::Str => match item.exact::<Str>() {
                    Some(text) => (text.as_bytes(), false),
                    None => return Ok(Outcome::NONE),
                },
                Kind::None => (b"", false),
                Kind::Int => match item.as_int() {
                    Some(int) => {
                        number = int.to_string();
                        (number.as_bytes(), true)
                    }
                    None => return Ok(Outcome::NONE),
                },
                Kind::Float => match item.as_float() {
                    Some(float) => {
                        number = float_repr::repr(float);
                        (number.as_bytes(), true)
                    }
                    None => return Ok(Outcome::NONE),
                },
                _ => return Ok(Outcome::NONE),
            };
            cx.grow(&mut out, text.len().saturating_mul(2) + end.len() + 4)?;
            if at > 0 {
                out.push(delimiter);
            }
            let special =
                |byte: &u8| *byte == delimiter || *byte == quote || matches!(byte, b'\r' | b'\n') || end.contains(byte);
            let quoted = match quoting {
                1 => true,
                2 => !numeric,
                _ => false,
            };
            if quoted || text.iter().any(special) || text.is_empty() && length == 1 {
                out.push(quote);
                for byte in text {
                    if *byte == quote {
                        out.push(quote);
                    }
                    out.push(*byte);
                }
                out.push(quote);
            } else {
                out.extend_from_slice(text);
            }
        }
        out.extend_from_slice(end);
        Ok(Outcome::Value(cx.checked_text(&out)?))
    }
);

/// What stands next in a line.
enum Field<'a> {
    Plain(&'a [u8]),
    /// One that had quotes within.
    Built(Vec<u8>),
    End,
    /// What is not for here.
    Odd,
}

struct Fields<'a> {
    line: &'a [u8],
    /// Where the next field begins; past the end of the line once there is none.
    at: usize,
    delimiter: u8,
    quote: u8,
    limit: usize,
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Field<'a> {
        let line = self.line;
        if self.at > line.len() {
            return Field::End;
        }
        if self.at == 0 && line.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            self.at = line.len() + 1;
            return Field::End;
        }
        let start = self.at;
        let ends = |byte: u8| byte == self.delimiter || matches!(byte, b'\r' | b'\n');
        let bare = |from: usize| line[from..].iter().position(|byte| ends(*byte)).map_or(line.len(), |n| from + n);
        let (field, end) = if line.get(start) == Some(&self.quote) {
            let mut text = vec![];
            let mut at = start + 1;
            let end = loop {
                let Some(length) = memchr::memchr(self.quote, &line[at..]) else { return Field::Odd };
                text.extend_from_slice(&line[at..at + length]);
                at += length + 1;
                match line.get(at) {
                    Some(next) if *next == self.quote => {
                        text.push(self.quote);
                        at += 1;
                    }
                    // What follows the quote belongs to the field as it is.
                    _ => break bare(at),
                }
            };
            text.extend_from_slice(&line[at..end]);
            (Field::Built(text), end)
        } else {
            let end = bare(start);
            (Field::Plain(&line[start..end]), end)
        };
        if end - start > self.limit {
            return Field::Odd;
        }
        self.at = match line.get(end) {
            Some(byte) if *byte == self.delimiter => end + 1,
            Some(_) if line[end..].iter().any(|byte| !matches!(byte, b'\r' | b'\n')) => return Field::Odd,
            _ => line.len() + 1,
        };
        field
    }
}
