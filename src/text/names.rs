//! The names of characters, for `\N{…}`, `unicodedata` and the `namereplace` handler.

use super::unicode;

/// The character with a name or an alias, letters in any case.
pub fn lookup(name: &str) -> Option<char> {
    // The crate matches loosely, and counts below zero for a hyphen in front. Python doesn't: the name found must be the
    // one asked for.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-');
    let edges = [name.bytes().next()?, name.bytes().next_back()?];
    if name.len() > 120
        || !name.bytes().all(plain)
        || name.contains("  ")
        || !edges.iter().all(u8::is_ascii_alphanumeric)
    {
        return None;
    }
    let found = unicode_names2::character(name).filter(|&c| unicode::category(c as u32) != "Cn")?;
    let exact = match self::name(found as u32) {
        Some(full) => full.eq_ignore_ascii_case(name) && full.contains('-') == name.contains('-'),
        None => true,
    };
    let hex = name.get(..21).filter(|prefix| prefix.eq_ignore_ascii_case("CJK UNIFIED IDEOGRAPH")).map(|_| &name[21..]);
    let exact = exact && hex.is_none_or(|hex| !hex.bytes().any(|byte| byte.is_ascii_lowercase()));
    (exact || is_alias(name, found)).then_some(found)
}

/// An alias has other letters than the name itself, were that written without spaces and hyphens.
fn is_alias(name: &str, found: char) -> bool {
    let bare = |text: &str| -> String {
        text.chars().filter(|c| !matches!(c, ' ' | '-')).map(|c| c.to_ascii_uppercase()).collect()
    };
    self::name(found as u32).is_none_or(|full| bare(&full) != bare(name))
}

/// The name of a code point.
pub fn name(code_point: u32) -> Option<String> {
    let c = char::from_u32(code_point)?;
    if unicode::category(code_point) == "Cn" {
        return None;
    }
    unicode_names2::name(c).map(|name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for (text, c) in [
            ("latin small letter a", Some('a')),
            ("BULLET", Some('•')),
            ("LINE FEED", Some('\n')),
            ("BELL", Some('🔔')),
            ("CJK UNIFIED IDEOGRAPH-65E5", Some('日')),
            ("CJK UNIFIED IDEOGRAPH-65e5", None),
            ("HANGUL SYLLABLE GA", Some('가')),
            ("VS17", Some('\u{e0100}')),
            ("LATIN_SMALL_LETTER_A", None),
            ("latin smallletter a", None),
            ("foo", None),
            ("", None),
        ] {
            assert_eq!(lookup(text), c, "{text}");
        }
        assert_eq!(name('é' as u32).as_deref(), Some("LATIN SMALL LETTER E WITH ACUTE"));
        assert_eq!(name('日' as u32).as_deref(), Some("CJK UNIFIED IDEOGRAPH-65E5"));
        assert_eq!((name(0), name(0xd800), name(0x378)), (None, None, None));
    }
}
