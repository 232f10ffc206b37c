//! The normal forms of texts. What Unicode has assigned since the version aio speaks of stays as it is.

use unicode_normalization::UnicodeNormalization;

use super::{unicode, wtf8};

/// A normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Decomposed, and composed again.
    Nfc,
    /// The same, with compatibility decompositions.
    Nfkc,
    /// Decomposed.
    Nfd,
    /// The same, with compatibility decompositions.
    Nfkd,
}

impl Form {
    /// Finds a form by its name.
    pub fn lookup(name: &[u8]) -> Option<Form> {
        Some(match name {
            b"NFC" => Form::Nfc,
            b"NFKC" => Form::Nfkc,
            b"NFD" => Form::Nfd,
            b"NFKD" => Form::Nfkd,
            _ => return None,
        })
    }
}

/// A text in a form; None if it is ASCII, which is in all of them, or only has characters before U+0300, which are composed already.
pub fn normalize(text: &[u8], form: Form) -> Option<Vec<u8>> {
    if text.is_ascii() || form == Form::Nfc && text.iter().all(|byte| *byte < 0xCC) {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut run = String::new();
    for point in wtf8::code_points(text) {
        match char::from_u32(point).filter(|_| unicode::category(point) != "Cn") {
            Some(c) => run.push(c),
            // A surrogate or a code point of no meaning combines with nothing.
            None => {
                flush(&mut run, form, &mut out);
                wtf8::push(&mut out, point);
            }
        }
    }
    flush(&mut run, form, &mut out);
    Some(out)
}

fn flush(run: &mut String, form: Form, out: &mut Vec<u8>) {
    let mut push = |c: char| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    match form {
        Form::Nfc => run.nfc().for_each(&mut push),
        Form::Nfkc => run.nfkc().for_each(&mut push),
        Form::Nfd => run.nfd().for_each(&mut push),
        Form::Nfkd => run.nfkd().for_each(&mut push),
    }
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let made = |text: &str, form| normalize(text.as_bytes(), form).map(|made| String::from_utf8(made).unwrap());
        assert_eq!(made("e\u{301}", Form::Nfc).as_deref(), Some("é"));
        assert_eq!(made("ﬁ²", Form::Nfkc).as_deref(), Some("fi2"));
        assert_eq!(made("é가", Form::Nfd).as_deref(), Some("e\u{301}\u{1100}\u{1161}"));
        assert_eq!(made("abc", Form::Nfd), None);
        assert_eq!(normalize(b"\xed\xa0\x80e\xcc\x81", Form::Nfc).unwrap(), b"\xed\xa0\x80\xc3\xa9");
    }
}
