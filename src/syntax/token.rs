//! The tokens, and how most of them are spelt: logos recognises what one regular expression can tell. Numbers and
//! strings only begin here and are finished by hand in `lexer.rs` and `fstring.rs`, where their errors have words of
//! their own. Tokens without a spelling are made by `layout.rs`.

use logos::Logos;

use crate::source::Span;

/// A token with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexeme {
    /// Which token.
    pub token: Token,
    /// The bytes it covers; what layout adds covers none.
    pub span: Span,
}

macro_rules! tokens {
    ($(#[$head:meta])* pub enum Token {
        spelt { $($(#[$meta:meta])* $name:ident = $text:literal,)* }
        other { $($(#[$other_meta:meta])* $other:ident = $phrase:literal,)* }
    }) => {
        $(#[$head])*
        pub enum Token {
            $(#[doc = concat!("`", $text, "`")] #[token($text)] $(#[$meta])* $name,)*
            $($(#[$other_meta])* $other,)*
        }

        impl Token {
            /// How `--dump=tokens` and error messages call it: its spelling, or words.
            pub fn describe(self) -> &'static str {
                match self {
                    $(Token::$name => $text,)*
                    $(Token::$other => $phrase,)*
                }
            }

            /// The tokens that have one spelling.
            pub const SPELT: &'static [(Token, &'static str)] = &[$((Token::$name, $text)),*];
        }
    };
}

tokens! {
    /// What a text is made of.
    #[derive(Logos, Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[logos(skip r"[ \t\x0C]+")]
    pub enum Token {
        spelt {
            False = "False", None = "None", True = "True", And = "and", As = "as", Assert = "assert", Async = "async",
            Await = "await", Break = "break", Class = "class", Continue = "continue", Def = "def", Del = "del",
            Elif = "elif", Else = "else", Except = "except", Finally = "finally", For = "for", From = "from",
            Global = "global", If = "if", Import = "import", In = "in", Is = "is", Lambda = "lambda",
            Nonlocal = "nonlocal", Not = "not", Or = "or", Pass = "pass", Raise = "raise", Return = "return",
            Try = "try", While = "while", With = "with", Yield = "yield",

            LParen = "(", RParen = ")", LBracket = "[", RBracket = "]", LBrace = "{", RBrace = "}",
            Comma = ",", Colon = ":", ColonEqual = ":=", Dot = ".", Ellipsis = "...", Semicolon = ";", Arrow = "->",
            At = "@", Equal = "=", Bang = "!",
            EqEqual = "==", NotEqual = "!=", Less = "<", LessEqual = "<=", Greater = ">", GreaterEqual = ">=",
            Plus = "+", Minus = "-", Star = "*", Slash = "/", DoubleSlash = "//", Percent = "%", DoubleStar = "**",
            Shl = "<<", Shr = ">>", Amper = "&", VBar = "|", Caret = "^", Tilde = "~",
            PlusEqual = "+=", MinusEqual = "-=", StarEqual = "*=", SlashEqual = "/=", DoubleSlashEqual = "//=",
            PercentEqual = "%=", AtEqual = "@=", AmperEqual = "&=", VBarEqual = "|=", CaretEqual = "^=",
            ShlEqual = "<<=", ShrEqual = ">>=", DoubleStarEqual = "**=", LessGreater = "<>",
        }
        other {
            /// An identifier; also the soft keywords where they are names.
            #[regex(r"[A-Za-z_[^\x00-\x7F]][A-Za-z0-9_[^\x00-\x7F]]*")]
            Name = "a name",
            /// A number of any kind. Only its first digit is matched by logos.
            #[regex(r"\.?[0-9]")]
            Number = "a number",
            /// A string or bytes literal. Only its prefix and first quote are matched by logos.
            #[regex(r#"([uU]|[bB][rR]?|[rR][bB]?)?["']"#)]
            String = "a string",
            /// The prefix and opening quotes of an f-string.
            #[regex(r#"([fF][rR]?|[rR][fF])["']"#)]
            FStringStart = "an f-string",
            /// The prefix and opening quotes of a t-string.
            #[regex(r#"([tT][rR]?|[rR][tT])["']"#)]
            TStringStart = "a t-string",
            /// Text between the replacement fields of an f- or t-string, or in a format spec.
            StringMiddle = "text in an f-string",
            /// The closing quotes of an f- or t-string.
            StringEnd = "the end of the f-string",
            /// The `{` of a replacement field.
            FieldStart = "a replacement field",
            /// The `:` before a format spec.
            FieldColon = "a format spec",
            /// The `}` of a replacement field.
            FieldEnd = "'}'",
            /// The soft keyword `match`.
            Match = "match",
            /// The soft keyword `case`.
            Case = "case",
            /// The soft keyword `type`.
            Type = "type",
            /// The end of a logical line. From logos: any line end.
            #[regex(r"\r\n|\n|\r")]
            Newline = "the end of the line",
            /// The line is indented deeper than the one before.
            Indent = "an indented block",
            /// A block ended; one for each.
            Dedent = "the end of the block",
            /// A comment; never in the list of tokens.
            #[regex(r"#[^\r\n]*", allow_greedy = true)]
            Comment = "a comment",
            /// A backslash and the line end after it; never in the list of tokens.
            #[regex(r"\\(\r\n|\n|\r)")]
            Continuation = "a line continuation",
            /// A character that begins no token, with the error already reported or left to the parser.
            Unknown = "an unknown character",
        }
    }
}

impl Token {
    /// Whether it is a keyword that can't be a name.
    pub fn is_keyword(self) -> bool {
        self as u8 <= Token::Yield as u8
    }
}
