//! The syntax tree: Python 3.14's abstract grammar as an arena.
//!
//! Nodes live in vectors of one [`Ast`] and name each other by index, so dropping a tree never recurses, and a pass
//! that keeps notes about nodes can use plain vectors. Shapes follow CPython's `ast` (`--dump=ast` prints exactly
//! that), with one difference: `elif` is a list of branches, so a long chain is no deep tree.
//!
//! A walk over expressions is bounded by [`Expr::height`], one over statements by the indentation limit. Next: `parser.rs`
//! builds it, `dump.rs` prints it.

use std::num::NonZeroU32;

use num_bigint::BigUint;

use crate::source::Span;

macro_rules! index {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(NonZeroU32);

        impl $name {
            fn new(index: usize) -> $name {
                $name(NonZeroU32::new(index as u32 + 1).expect("a source text has under 4 Gi nodes"))
            }

            /// The place in the arena, dense from 0: for side tables.
            pub fn index(self) -> usize {
                self.0.get() as usize - 1
            }
        }
    };
}

index!(
    /// Names an [`Expr`] of its [`Ast`].
    ExprId
);
index!(
    /// Names a [`Stmt`] of its [`Ast`].
    StmtId
);
index!(
    /// Names a [`Pattern`] of its [`Ast`].
    PatternId
);

/// An interned identifier (or dotted module name): equal symbols of one [`Interner`] are equal names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Symbol(pub u32);

/// The names of one tree, each stored once.
#[derive(Debug, Default, Clone)]
pub struct Interner {
    names: Vec<Box<str>>,
    table: hashbrown::HashTable<Symbol>,
}

impl Interner {
    /// The symbol of `name`, made on first sight.
    pub fn intern(&mut self, name: &str) -> Symbol {
        let names = &self.names;
        let found = self.table.entry(
            hash_name(name),
            |symbol| &*names[symbol.0 as usize] == name,
            |symbol| hash_name(&names[symbol.0 as usize]),
        );
        match found {
            hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let symbol = Symbol(self.names.len() as u32);
                entry.insert(symbol);
                self.names.push(name.into());
                symbol
            }
        }
    }

    /// The symbol of `name` if it occurs.
    pub fn find(&self, name: &str) -> Option<Symbol> {
        self.table.find(hash_name(name), |symbol| &*self.names[symbol.0 as usize] == name).copied()
    }

    /// The name of `symbol`.
    pub fn name(&self, symbol: Symbol) -> &str {
        &self.names[symbol.0 as usize]
    }

    /// How many names there are; symbols are numbered below it.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing was interned yet.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// FNV-1a with a final mix: names are short, and who could choose them to collide only slows their own script.
fn hash_name(name: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in name.as_bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^ (hash >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What was parsed.
#[derive(Debug, Clone)]
pub enum Root {
    /// A file or an `exec` text.
    Module(Box<[StmtId]>),
    /// One statement of the prompt (`compile(…, "single")`).
    Interactive(Box<[StmtId]>),
    /// An `eval` text.
    Expression(ExprId),
}

/// A whole syntax tree: the arena of its nodes, and their names.
#[derive(Debug, Clone)]
pub struct Ast {
    /// Where to start.
    pub root: Root,
    /// The names in it.
    pub names: Interner,
    exprs: Vec<Expr>,
    stmts: Vec<Stmt>,
    patterns: Vec<Pattern>,
}

impl Default for Ast {
    fn default() -> Ast {
        Ast {
            root: Root::Module(Box::default()),
            names: Interner::default(),
            exprs: Vec::new(),
            stmts: Vec::new(),
            patterns: Vec::new(),
        }
    }
}

impl Ast {
    /// The expression `id`.
    pub fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.index()]
    }

    /// The statement `id`.
    pub fn stmt(&self, id: StmtId) -> &Stmt {
        &self.stmts[id.index()]
    }

    /// The pattern `id`.
    pub fn pattern(&self, id: PatternId) -> &Pattern {
        &self.patterns[id.index()]
    }

    /// The name of `symbol`.
    pub fn name(&self, symbol: Symbol) -> &str {
        self.names.name(symbol)
    }

    /// The statements of a module or of the prompt; none for an expression.
    pub fn body(&self) -> &[StmtId] {
        match &self.root {
            Root::Module(body) | Root::Interactive(body) => body,
            Root::Expression(_) => &[],
        }
    }

    /// All expressions, in no particular order.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.exprs.iter()
    }

    /// The numbers of all expressions.
    pub fn expr_ids(&self) -> impl Iterator<Item = ExprId> {
        (0..self.exprs.len()).map(ExprId::new)
    }

    /// All statements, in no particular order.
    pub fn stmts(&self) -> impl Iterator<Item = &Stmt> {
        self.stmts.iter()
    }

    /// How many expressions there are: the length of a side table.
    pub fn expr_count(&self) -> usize {
        self.exprs.len()
    }

    /// The node of `id`, to change it. A change of children has to go through a new node, or heights would lie.
    pub(crate) fn expr_mut(&mut self, id: ExprId) -> &mut Expr {
        &mut self.exprs[id.index()]
    }

    /// The node of `id`, to change it.
    pub(crate) fn stmt_mut(&mut self, id: StmtId) -> &mut Stmt {
        &mut self.stmts[id.index()]
    }

    /// Add an expression; its height follows from its children.
    pub fn add_expr(&mut self, kind: ExprKind, span: Span) -> ExprId {
        let mut height = 0;
        kind.children(|child| height = height.max(self.expr(child).height));
        self.exprs.push(Expr { kind, span, height: height + 1, parenthesized: false });
        ExprId::new(self.exprs.len() - 1)
    }

    /// Add a statement.
    pub fn add_stmt(&mut self, kind: StmtKind, span: Span) -> StmtId {
        self.stmts.push(Stmt { kind, span });
        StmtId::new(self.stmts.len() - 1)
    }

    /// Add a pattern; its height follows from its children.
    pub fn add_pattern(&mut self, kind: PatternKind, span: Span) -> PatternId {
        let mut height = 0;
        kind.children(|child| height = height.max(self.pattern(child).height));
        self.patterns.push(Pattern { kind, span, height: height + 1 });
        PatternId::new(self.patterns.len() - 1)
    }
}

/// An expression with its place in the text.
#[derive(Debug, Clone)]
pub struct Expr {
    /// Which expression, with its parts.
    pub kind: ExprKind,
    /// The bytes it covers; parentheses around it don't count, those of a tuple do.
    pub span: Span,
    /// 1 for a leaf, else one more than the highest child: what bounds a recursive walk.
    pub height: u32,
    /// Whether parentheses stand around it.
    pub parenthesized: bool,
}

/// Whether an expression is read, bound or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// Its value is used.
    Load,
    /// It is the target of a binding.
    Store,
    /// It is the target of `del`.
    Del,
}

/// The expressions. Fields have the names and order of CPython's `ast` classes.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// `a and b and c`: at least two values under one operator.
    BoolOp {
        /// Which of the two.
        op: BoolOp,
        /// In the order written.
        values: Box<[ExprId]>,
    },
    /// `target := value`
    NamedExpr {
        /// A [`ExprKind::Name`] with [`Context::Store`].
        target: ExprId,
        /// What is bound.
        value: ExprId,
    },
    /// `left op right`
    BinOp {
        /// Evaluated first.
        left: ExprId,
        /// The operator.
        op: BinaryOp,
        /// Evaluated second.
        right: ExprId,
    },
    /// `op operand`
    UnaryOp {
        /// The operator.
        op: UnaryOp,
        /// What it applies to.
        operand: ExprId,
    },
    /// `lambda args: body`
    Lambda {
        /// Parameters, without annotations.
        args: Box<Arguments>,
        /// The result.
        body: ExprId,
    },
    /// `body if test else orelse`
    IfExp {
        /// The condition.
        test: ExprId,
        /// The result if it holds.
        body: ExprId,
        /// The result otherwise.
        orelse: ExprId,
    },
    /// `{key: value, **value}`
    Dict {
        /// In the order written.
        items: Box<[DictItem]>,
    },
    /// `{a, b}`
    Set {
        /// At least one element.
        elts: Box<[ExprId]>,
    },
    /// `[elt for … in …]`
    ListComp {
        /// The element.
        elt: ExprId,
        /// The `for` and `if` clauses.
        generators: Box<[Comprehension]>,
    },
    /// `{elt for … in …}`
    SetComp {
        /// The element.
        elt: ExprId,
        /// The `for` and `if` clauses.
        generators: Box<[Comprehension]>,
    },
    /// `{key: value for … in …}`
    DictComp {
        /// The key.
        key: ExprId,
        /// The value.
        value: ExprId,
        /// The `for` and `if` clauses.
        generators: Box<[Comprehension]>,
    },
    /// `(elt for … in …)`
    GeneratorExp {
        /// The element.
        elt: ExprId,
        /// The `for` and `if` clauses.
        generators: Box<[Comprehension]>,
    },
    /// `await value`
    Await {
        /// The awaitable.
        value: ExprId,
    },
    /// `yield value`
    Yield {
        /// What is handed out; `None` if left out.
        value: Option<ExprId>,
    },
    /// `yield from value`
    YieldFrom {
        /// The iterable.
        value: ExprId,
    },
    /// `left op comparator op comparator …`
    Compare {
        /// The first operand.
        left: ExprId,
        /// The rest, at least one.
        comparisons: Box<[Comparison]>,
    },
    /// `func(args, keywords)`
    Call {
        /// What is called.
        func: ExprId,
        /// Positional arguments, `*args` as [`ExprKind::Starred`].
        args: Box<[ExprId]>,
        /// Keyword arguments and `**kwargs`.
        keywords: Box<[Keyword]>,
    },
    /// `{value!conversion:format_spec}` in an f-string.
    FormattedValue {
        /// What is formatted.
        value: ExprId,
        /// `!s`, `!r`, `!a` or none.
        conversion: Conversion,
        /// A [`ExprKind::JoinedStr`].
        format_spec: Option<ExprId>,
    },
    /// `{value!conversion:format_spec}` in a t-string.
    Interpolation {
        /// The value.
        value: ExprId,
        /// The text of the expression as written.
        str: Box<str>,
        /// `!s`, `!r`, `!a` or none.
        conversion: Conversion,
        /// A [`ExprKind::JoinedStr`].
        format_spec: Option<ExprId>,
    },
    /// An f-string: string constants and [`ExprKind::FormattedValue`]s in turn.
    JoinedStr {
        /// The parts.
        values: Box<[ExprId]>,
    },
    /// A t-string: string constants and [`ExprKind::Interpolation`]s in turn.
    TemplateStr {
        /// The parts.
        values: Box<[ExprId]>,
    },
    /// A literal.
    Constant(Constant),
    /// `value.attr`
    Attribute {
        /// The object.
        value: ExprId,
        /// The attribute's name.
        attr: Symbol,
        /// Read, bound or deleted.
        ctx: Context,
    },
    /// `value[slice]`
    Subscript {
        /// The container.
        value: ExprId,
        /// The index: any expression, [`ExprKind::Slice`] or a tuple of these.
        slice: ExprId,
        /// Read, bound or deleted.
        ctx: Context,
    },
    /// `*value`, in displays, calls, subscripts and targets.
    Starred {
        /// What is unpacked or collects the rest.
        value: ExprId,
        /// Read or bound.
        ctx: Context,
    },
    /// A name.
    Name {
        /// The identifier, NFKC-normalised, not mangled.
        id: Symbol,
        /// Read, bound or deleted.
        ctx: Context,
    },
    /// `[a, b]`
    List {
        /// The elements.
        elts: Box<[ExprId]>,
        /// A display, or a target list.
        ctx: Context,
    },
    /// `a, b` or `(a, b)`
    Tuple {
        /// The elements.
        elts: Box<[ExprId]>,
        /// A display, or a target list.
        ctx: Context,
    },
    /// `lower:upper:step` in a subscript.
    Slice {
        /// Where it begins.
        lower: Option<ExprId>,
        /// Where it ends.
        upper: Option<ExprId>,
        /// The stride.
        step: Option<ExprId>,
    },
}

impl ExprKind {
    /// Call `visit` for each direct child, in the order of the text where that is the order of evaluation.
    pub fn children(&self, mut visit: impl FnMut(ExprId)) {
        use ExprKind::*;
        match self {
            Constant(_) | Name { .. } => {}
            BoolOp { values, .. } | JoinedStr { values } | TemplateStr { values } => {
                values.iter().copied().for_each(visit)
            }
            Set { elts } | List { elts, .. } | Tuple { elts, .. } => elts.iter().copied().for_each(visit),
            NamedExpr { target, value } => [*target, *value].into_iter().for_each(visit),
            BinOp { left, right, .. } => [*left, *right].into_iter().for_each(visit),
            UnaryOp { operand, .. } => visit(*operand),
            Lambda { args, body } => {
                args.children(&mut visit);
                visit(*body);
            }
            IfExp { test, body, orelse } => [*test, *body, *orelse].into_iter().for_each(visit),
            Dict { items } => {
                for item in items {
                    item.key.into_iter().for_each(&mut visit);
                    visit(item.value);
                }
            }
            ListComp { elt, generators } | SetComp { elt, generators } | GeneratorExp { elt, generators } => {
                visit(*elt);
                generators.iter().for_each(|generator| generator.children(&mut visit));
            }
            DictComp { key, value, generators } => {
                visit(*key);
                visit(*value);
                generators.iter().for_each(|generator| generator.children(&mut visit));
            }
            Await { value } | YieldFrom { value } | Attribute { value, .. } | Starred { value, .. } => visit(*value),
            Yield { value } => value.iter().copied().for_each(visit),
            Compare { left, comparisons } => {
                visit(*left);
                comparisons.iter().for_each(|comparison| visit(comparison.comparator));
            }
            Call { func, args, keywords } => {
                visit(*func);
                args.iter().copied().for_each(&mut visit);
                keywords.iter().for_each(|keyword| visit(keyword.value));
            }
            FormattedValue { value, format_spec, .. } | Interpolation { value, format_spec, .. } => {
                visit(*value);
                format_spec.iter().copied().for_each(visit);
            }
            Subscript { value, slice, .. } => [*value, *slice].into_iter().for_each(visit),
            Slice { lower, upper, step } => [*lower, *upper, *step].into_iter().flatten().for_each(visit),
        }
    }
}

/// One item of a dict display.
#[derive(Debug, Clone, Copy)]
pub struct DictItem {
    /// The key; `None` for `**value`.
    pub key: Option<ExprId>,
    /// The value, or the mapping unpacked.
    pub value: ExprId,
}

/// `op comparator`
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// The operator.
    pub op: CompareOp,
    /// Its right operand.
    pub comparator: ExprId,
}

/// A literal's value.
#[derive(Debug, Clone)]
pub enum Constant {
    /// `None`
    None,
    /// `True`
    True,
    /// `False`
    False,
    /// `...`
    Ellipsis,
    /// An integer that fits; never negative.
    Int(i64),
    /// A larger integer.
    BigInt(Box<BigUint>),
    /// A float; never negative, maybe infinite.
    Float(f64),
    /// The imaginary part of `2j`.
    Complex(f64),
    /// A string, adjacent literals joined.
    Str(Box<StrLiteral>),
    /// A bytes literal, adjacent ones joined.
    Bytes(Box<[u8]>),
}

/// The value of a string literal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StrLiteral {
    /// Generalised UTF-8: each lone surrogate is three bytes (0xED, 0xA0 to 0xBF, …).
    pub bytes: Box<[u8]>,
    /// Whether there are lone surrogates, so that `bytes` isn't UTF-8.
    pub has_surrogates: bool,
    /// Whether the (first) literal has the prefix `u`, which `ast` shows as `kind`.
    pub u_prefix: bool,
}

impl StrLiteral {
    /// The text, unless it has lone surrogates.
    pub fn as_str(&self) -> Option<&str> {
        if self.has_surrogates { None } else { std::str::from_utf8(&self.bytes).ok() }
    }
}

impl From<&str> for StrLiteral {
    fn from(text: &str) -> StrLiteral {
        StrLiteral { bytes: text.as_bytes().into(), has_surrogates: false, u_prefix: false }
    }
}

/// The conversion of a replacement field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conversion {
    /// Not given (`-1` in `ast`).
    None,
    /// `!s`
    Str,
    /// `!r`
    Repr,
    /// `!a`
    Ascii,
}

/// `and`, `or`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BoolOp {
    /// `and`
    And,
    /// `or`
    Or,
}

/// The binary operators, also as the operator of `+=` and its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mult,
    /// `@`
    MatMult,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `**`
    Pow,
    /// `<<`
    LShift,
    /// `>>`
    RShift,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `&`
    BitAnd,
    /// `//`
    FloorDiv,
}

/// The unary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `~`
    Invert,
    /// `not`
    Not,
    /// `+`
    UAdd,
    /// `-`
    USub,
}

/// The comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `==`
    Eq,
    /// `!=`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtE,
    /// `>`
    Gt,
    /// `>=`
    GtE,
    /// `is`
    Is,
    /// `is not`
    IsNot,
    /// `in`
    In,
    /// `not in`
    NotIn,
}

/// `for target in iter if … if …` of a comprehension.
#[derive(Debug, Clone)]
pub struct Comprehension {
    /// What each item is bound to.
    pub target: ExprId,
    /// The iterable.
    pub iter: ExprId,
    /// The conditions.
    pub ifs: Box<[ExprId]>,
    /// Whether it is `async for`.
    pub is_async: bool,
}

impl Comprehension {
    fn children(&self, mut visit: impl FnMut(ExprId)) {
        visit(self.target);
        visit(self.iter);
        self.ifs.iter().copied().for_each(visit);
    }
}

/// `name=value` or `**value` in a call or a class header.
#[derive(Debug, Clone, Copy)]
pub struct Keyword {
    /// The name; `None` for `**value`.
    pub arg: Option<Symbol>,
    /// The value.
    pub value: ExprId,
    /// The whole argument.
    pub span: Span,
}

/// The parameters of a function, lambda.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// Those before `/`.
    pub posonlyargs: Box<[Arg]>,
    /// Those that can be given either way.
    pub args: Box<[Arg]>,
    /// `*args`
    pub vararg: Option<Arg>,
    /// Those after `*`.
    pub kwonlyargs: Box<[Arg]>,
    /// For each of `kwonlyargs` its default, if it has one.
    pub kw_defaults: Box<[Option<ExprId>]>,
    /// `**kwargs`
    pub kwarg: Option<Arg>,
    /// The defaults of the last of `posonlyargs` and `args` together.
    pub defaults: Box<[ExprId]>,
}

impl Arguments {
    /// All parameters in the order of a code object's `co_varnames`: positional, keyword-only, `*args`, `**kwargs`.
    pub fn all(&self) -> impl Iterator<Item = &Arg> {
        let positional = self.posonlyargs.iter().chain(&self.args);
        positional.chain(&self.kwonlyargs).chain(&self.vararg).chain(&self.kwarg)
    }

    fn children(&self, mut visit: impl FnMut(ExprId)) {
        self.all().filter_map(|arg| arg.annotation).for_each(&mut visit);
        self.defaults.iter().copied().for_each(&mut visit);
        self.kw_defaults.iter().copied().flatten().for_each(visit);
    }
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    /// Its name.
    pub name: Symbol,
    /// `: annotation`
    pub annotation: Option<ExprId>,
    /// Name and annotation.
    pub span: Span,
}

/// A statement with its place in the text.
#[derive(Debug, Clone)]
pub struct Stmt {
    /// Which statement, with its parts.
    pub kind: StmtKind,
    /// The bytes it covers; a decorated definition begins at `def` or `class`.
    pub span: Span,
}

/// A list of statements.
pub type Block = Box<[StmtId]>;

/// The statements. Fields have the names of CPython's `ast` classes; the async forms are a flag.
#[derive(Debug, Clone)]
pub enum StmtKind {
    /// `def` and `async def`
    FunctionDef(Box<FunctionDef>),
    /// `class`
    ClassDef(Box<ClassDef>),
    /// `return value`
    Return {
        /// The result; `None` if left out.
        value: Option<ExprId>,
    },
    /// `del targets`
    Delete {
        /// At least one.
        targets: Box<[ExprId]>,
    },
    /// `targets = … = value`
    Assign {
        /// From left to right.
        targets: Box<[ExprId]>,
        /// What is bound.
        value: ExprId,
    },
    /// `type name[type_params] = value`
    TypeAlias {
        /// A [`ExprKind::Name`] with [`Context::Store`].
        name: ExprId,
        /// Its type parameters.
        type_params: Box<[TypeParam]>,
        /// Evaluated when asked for.
        value: ExprId,
    },
    /// `target op= value`
    AugAssign {
        /// A name, attribute or subscript.
        target: ExprId,
        /// The operator.
        op: BinaryOp,
        /// Its right operand.
        value: ExprId,
    },
    /// `target: annotation = value`
    AnnAssign {
        /// A name, attribute or subscript.
        target: ExprId,
        /// The annotation.
        annotation: ExprId,
        /// What is bound, if anything.
        value: Option<ExprId>,
        /// Whether `target` is a name without parentheses.
        simple: bool,
    },
    /// `for target in iter:` and `async for`
    For {
        /// Whether it is `async for`.
        is_async: bool,
        /// What each item is bound to.
        target: ExprId,
        /// The iterable.
        iter: ExprId,
        /// Run for each item.
        body: Block,
        /// Run unless the loop was left by `break`.
        orelse: Block,
    },
    /// `while test:`
    While {
        /// The condition.
        test: ExprId,
        /// Run while it holds.
        body: Block,
        /// Run unless the loop was left by `break`.
        orelse: Block,
    },
    /// `if`, its `elif`s, and `else`
    If {
        /// `if` and each `elif`, at least one.
        branches: Box<[IfBranch]>,
        /// `else`; empty if left out.
        orelse: Block,
    },
    /// `with` and `async with`
    With {
        /// Whether it is `async with`.
        is_async: bool,
        /// Entered from left to right.
        items: Box<[WithItem]>,
        /// Run inside.
        body: Block,
    },
    /// `match subject:`
    Match {
        /// What is matched.
        subject: ExprId,
        /// Tried in order.
        cases: Box<[MatchCase]>,
    },
    /// `raise exc from cause`
    Raise {
        /// What is raised; none re-raises.
        exc: Option<ExprId>,
        /// Its cause.
        cause: Option<ExprId>,
    },
    /// `try`, with `except` or `except*`
    Try(Box<Try>),
    /// `assert test, msg`
    Assert {
        /// The condition.
        test: ExprId,
        /// Shown if it doesn't hold.
        msg: Option<ExprId>,
    },
    /// `import names`
    Import {
        /// At least one.
        names: Box<[Alias]>,
    },
    /// `from module import names`
    ImportFrom {
        /// The dotted name; none for `from . import x`.
        module: Option<Symbol>,
        /// At least one; `*` is a name.
        names: Box<[Alias]>,
        /// How many dots lead.
        level: u32,
    },
    /// `global names`
    Global {
        /// At least one.
        names: Box<[Symbol]>,
    },
    /// `nonlocal names`
    Nonlocal {
        /// At least one.
        names: Box<[Symbol]>,
    },
    /// An expression whose value is dropped (or shown, at the prompt).
    Expr {
        /// The expression.
        value: ExprId,
    },
    /// `pass`
    Pass,
    /// `break`
    Break,
    /// `continue`
    Continue,
}

/// `def name[type_params](args) -> returns: body`
#[derive(Debug, Clone)]
pub struct FunctionDef {
    /// Whether it is `async def`.
    pub is_async: bool,
    /// Its name.
    pub name: Symbol,
    /// Where the name stands.
    pub name_span: Span,
    /// Its parameters.
    pub args: Arguments,
    /// Never empty.
    pub body: Block,
    /// Outermost first.
    pub decorators: Box<[ExprId]>,
    /// `-> returns`
    pub returns: Option<ExprId>,
    /// `[T]` after the name.
    pub type_params: Box<[TypeParam]>,
}

/// `class name[type_params](bases, keywords): body`
#[derive(Debug, Clone)]
pub struct ClassDef {
    /// Its name.
    pub name: Symbol,
    /// Where the name stands.
    pub name_span: Span,
    /// Positional arguments of the header.
    pub bases: Box<[ExprId]>,
    /// Keyword arguments of the header, `metaclass` among them.
    pub keywords: Box<[Keyword]>,
    /// Never empty.
    pub body: Block,
    /// Outermost first.
    pub decorators: Box<[ExprId]>,
    /// `[T]` after the name.
    pub type_params: Box<[TypeParam]>,
}

/// One condition of an `if` statement with what it guards.
#[derive(Debug, Clone)]
pub struct IfBranch {
    /// The condition.
    pub test: ExprId,
    /// Run if it is the first that holds.
    pub body: Block,
    /// From `if` or `elif` to the end of the whole statement, as `ast` places it.
    pub span: Span,
}

/// `context_expr as optional_vars`
#[derive(Debug, Clone, Copy)]
pub struct WithItem {
    /// The context manager.
    pub context_expr: ExprId,
    /// What the result of `__enter__` is bound to.
    pub optional_vars: Option<ExprId>,
}

/// `case pattern if guard: body`
#[derive(Debug, Clone)]
pub struct MatchCase {
    /// The pattern.
    pub pattern: PatternId,
    /// The condition tried after it.
    pub guard: Option<ExprId>,
    /// Run if both hold.
    pub body: Block,
}

/// `try: body`, then `except`s, `else`, `finally`.
#[derive(Debug, Clone)]
pub struct Try {
    /// Whether the handlers are `except*`.
    pub is_star: bool,
    /// What is tried.
    pub body: Block,
    /// Tried in order.
    pub handlers: Box<[ExceptHandler]>,
    /// Run if nothing was raised.
    pub orelse: Block,
    /// Run in any case.
    pub finalbody: Block,
}

/// `except type_ as name: body`
#[derive(Debug, Clone)]
pub struct ExceptHandler {
    /// What is caught; none catches everything.
    pub type_: Option<ExprId>,
    /// What the exception is bound to.
    pub name: Option<Symbol>,
    /// Run with it.
    pub body: Block,
    /// From `except` to the end of the body.
    pub span: Span,
}

/// `name as asname` of an import.
#[derive(Debug, Clone, Copy)]
pub struct Alias {
    /// A dotted module name, a name, or `*`.
    pub name: Symbol,
    /// What it is bound to instead.
    pub asname: Option<Symbol>,
    /// The whole of it.
    pub span: Span,
}

/// A type parameter in `[…]` after the name of a function, class or type alias.
#[derive(Debug, Clone, Copy)]
pub struct TypeParam {
    /// Which kind.
    pub kind: TypeParamKind,
    /// Its name.
    pub name: Symbol,
    /// `= default`
    pub default: Option<ExprId>,
    /// The whole of it.
    pub span: Span,
}

/// The three kinds of type parameters.
#[derive(Debug, Clone, Copy)]
pub enum TypeParamKind {
    /// `T: bound`
    TypeVar {
        /// The bound, or a tuple of constraints.
        bound: Option<ExprId>,
    },
    /// `**P`
    ParamSpec,
    /// `*Ts`
    TypeVarTuple,
}

/// A pattern with its place in the text.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// Which pattern, with its parts.
    pub kind: PatternKind,
    /// The bytes it covers.
    pub span: Span,
    /// 1 for a leaf, else one more than the highest child.
    pub height: u32,
}

/// The patterns of `case`.
#[derive(Debug, Clone)]
pub enum PatternKind {
    /// A literal or dotted name, compared by `==`.
    MatchValue {
        /// The value.
        value: ExprId,
    },
    /// `None`, `True`, `False`, compared by `is`.
    MatchSingleton {
        /// One of the three.
        value: Constant,
    },
    /// `[a, *rest]`
    MatchSequence {
        /// At most one [`PatternKind::MatchStar`] among them.
        patterns: Box<[PatternId]>,
    },
    /// `{key: pattern, **rest}`
    MatchMapping {
        /// Literals and dotted names.
        keys: Box<[ExprId]>,
        /// As many as `keys`.
        patterns: Box<[PatternId]>,
        /// What the other items are bound to.
        rest: Option<Symbol>,
    },
    /// `cls(patterns, kwd_attr=kwd_pattern)`
    MatchClass {
        /// The class.
        cls: ExprId,
        /// Matched through `__match_args__`.
        patterns: Box<[PatternId]>,
        /// Names of attributes.
        kwd_attrs: Box<[Symbol]>,
        /// As many as `kwd_attrs`.
        kwd_patterns: Box<[PatternId]>,
    },
    /// `*name` or `*_`
    MatchStar {
        /// What the rest is bound to; none for `_`.
        name: Option<Symbol>,
    },
    /// `pattern as name`, a capture `name`, or the wildcard `_`
    MatchAs {
        /// What has to match first.
        pattern: Option<PatternId>,
        /// What is bound; none only in the wildcard.
        name: Option<Symbol>,
    },
    /// `a | b`
    MatchOr {
        /// At least two.
        patterns: Box<[PatternId]>,
    },
}

impl PatternKind {
    /// Call `visit` for each direct child pattern.
    pub fn children(&self, mut visit: impl FnMut(PatternId)) {
        match self {
            PatternKind::MatchValue { .. } | PatternKind::MatchSingleton { .. } | PatternKind::MatchStar { .. } => {}
            PatternKind::MatchSequence { patterns }
            | PatternKind::MatchMapping { patterns, .. }
            | PatternKind::MatchOr { patterns } => patterns.iter().copied().for_each(visit),
            PatternKind::MatchClass { patterns, kwd_patterns, .. } => {
                patterns.iter().copied().for_each(&mut visit);
                kwd_patterns.iter().copied().for_each(visit);
            }
            PatternKind::MatchAs { pattern, .. } => pattern.iter().copied().for_each(&mut visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_one_symbol() {
        let mut names = Interner::default();
        let a = names.intern("a");
        let b = names.intern("b");
        assert_ne!(a, b);
        assert_eq!(names.intern("a"), a);
        assert_eq!(names.find("b"), Some(b));
        assert_eq!(names.find("c"), None);
        assert_eq!(names.name(b), "b");
    }

    #[test]
    fn height_counts_the_longest_way_down() {
        let mut ast = Ast::default();
        let leaf = ast.add_expr(ExprKind::Constant(Constant::Int(1)), Span::new(0, 1));
        let minus = ast.add_expr(ExprKind::UnaryOp { op: UnaryOp::USub, operand: leaf }, Span::new(0, 2));
        let sum = ast.add_expr(ExprKind::BinOp { left: leaf, op: BinaryOp::Add, right: minus }, Span::new(0, 3));
        assert_eq!(ast.expr(leaf).height, 1);
        assert_eq!(ast.expr(sum).height, 3);
    }

    #[test]
    fn optional_ids_cost_nothing() {
        assert_eq!(size_of::<Option<ExprId>>(), 4);
        assert!(size_of::<Expr>() <= 56, "{}", size_of::<Expr>());
    }
}
