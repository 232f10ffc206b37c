//! Every kind of diagnostic: `Name "code" "title"`, the doc comment is what `aio explain` says.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident $code:literal $title:literal;)*) => {
        /// A kind of diagnostic.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// `E0101`
            pub fn code(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// What it is, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }

            /// Why it is an error.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc, "\n"),+),)* }
            }
        }
    };
}

codes! {
    /// A string or bytes literal runs to the end of its line (or of the text, if it is triple-quoted) without its quote.
    UnterminatedString "E0101" "unterminated string";
    /// A number literal has a digit or letter that doesn't belong to it.
    InvalidNumber "E0102" "invalid number";
    /// Only letters, digits and underscores make names, and only operators stand between them.
    InvalidCharacter "E0103" "invalid character";
    /// Every closing bracket closes the innermost open one, and has its shape.
    BracketMismatch "E0104" "brackets don't match";
    /// A bracket was opened and the text ended, or went on in a way that shows it should have been closed before.
    UnclosedBracket "E0105" "unclosed bracket";
    /// After a backslash nothing but the line end may stand.
    InvalidContinuation "E0106" "invalid line continuation";
    /// A line that isn't indented deeper has to be indented as far as some open block is.
    UnmatchedDedent "E0107" "indentation matches no block";
    /// Whether one line is indented deeper than another may not depend on how wide a tab is.
    InconsistentTabs "E0108" "tabs and spaces are mixed";
    /// Brackets and blocks nest at most so deep.
    TooDeep "E0109" "nested too deeply";
    /// Replacement fields in f- and t-strings hold one expression, maybe with `=`, a conversion and a format spec.
    InvalidField "E0110" "invalid replacement field";
    /// An escape sequence in a string or bytes literal is incomplete or names no character.
    InvalidEscape "E0111" "invalid escape sequence";
    /// The text is not in the encoding it declares, or holds a null byte.
    InvalidEncoding "E0112" "invalid encoding";

    /// The text doesn't follow the grammar at this place.
    UnexpectedToken "E0201" "invalid syntax";
    /// After a line that ends in a colon comes a block: at least one line that is indented deeper.
    ExpectedBlock "E0202" "expected an indented block";
    /// A line is indented deeper than the one before it, which opened no block.
    UnexpectedIndent "E0203" "unexpected indent";
    /// The head of a compound statement ends in a colon.
    MissingColon "E0204" "missing colon";
    /// What stands left of `=`, after `for`, `as`, `del` or before `:=` has to be something that can be bound.
    InvalidTarget "E0205" "invalid target";
    /// Arguments come in the order positional, keyword; generator expressions beside others need parentheses.
    InvalidArguments "E0206" "invalid arguments";
    /// Parameters come in the order positional, `*`, keyword-only, `**`; after a default all have one.
    InvalidParameters "E0207" "invalid parameters";
    /// A pattern is made of literals, names, sequences, mappings and classes.
    InvalidPattern "E0208" "invalid pattern";
    /// The parts of an `import` are names.
    InvalidImport "E0209" "invalid import";
    /// `print` is a function here: its arguments are in parentheses.
    PrintStatement "E0210" "missing parentheses";
    /// `=` binds a name, `==` compares.
    AssignmentInExpression "E0211" "assignment in an expression";
    /// The clauses of `try`, `except`, `with` have a fixed form.
    InvalidClause "E0212" "invalid clause";
    /// Two expressions stand side by side; between the elements of a display or call is a comma.
    MissingComma "E0213" "missing comma";
    /// A keyword can't be a name.
    KeywordAsName "E0214" "keyword used as a name";
    /// String literals side by side are joined, if they are of one kind.
    InvalidLiteral "E0215" "invalid literal";
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn codes_are_unique_and_ascend() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
    }
}
