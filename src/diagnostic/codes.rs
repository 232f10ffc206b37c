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

    /// Only an `async def` can be suspended, so only there can a result be awaited.
    AwaitOutsideAsync "E0301" "await outside an async function";
    /// `return` and `yield` belong to a function.
    OutsideFunction "E0302" "outside a function";
    /// `break` and `continue` belong to a loop, and stay inside the block they are in.
    OutsideLoop "E0303" "outside a loop";
    /// A name is declared `global` or `nonlocal` before anything else is done with it in the same function.
    LateDeclaration "E0304" "declared too late";
    /// A name is one thing in a function: a parameter, a global, or a variable of a function around.
    ConflictingDeclaration "E0305" "conflicting declarations";
    /// `nonlocal` means a variable of a function around this one, and there has to be one.
    NoBinding "E0306" "no such variable around";
    /// Parameters, type parameters and keyword arguments each have a name of their own.
    DuplicateParameter "E0307" "duplicate name";
    /// A comprehension makes its own values, and an async function awaits: neither can hand out values in this way.
    MisplacedYield "E0308" "yield doesn't belong here";
    /// What `:=` in a comprehension binds is a variable of the function around it.
    MisplacedWalrus "E0309" "assignment expression doesn't belong here";
    /// `import *` and `from __future__` stand at the top of a module.
    MisplacedImport "E0310" "import doesn't belong here";
    /// `__debug__` is a constant.
    DebugName "E0311" "`__debug__` can't be bound";
    /// A star collects or unpacks within a list, tuple, set or call.
    MisplacedStar "E0312" "star doesn't belong here";
    /// What always matches comes last, and every alternative binds the same names, each once.
    UnreachablePattern "E0313" "pattern can't work";
    /// Loops, `with` and `try` nest at most so deep in one function.
    TooManyBlocks "E0314" "too many nested blocks";
    /// An async generator hands out values by `yield` alone.
    GeneratorReturn "E0315" "value returned from an async generator";
    /// `except` without a class catches everything, so nothing comes after it.
    HandlerOrder "E0316" "handlers in the wrong order";
    /// Annotations, bounds and values of type aliases are evaluated later, on their own.
    NotInAnnotation "E0317" "not allowed in an annotation";
    /// The text is right, but too big or too deep to compile.
    TooComplex "E0318" "too complex";
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn codes_are_unique_and_ascend() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
    }
}
