//! Expressions, calls and parameters.

use super::*;

/// For what CPython's parser has not enough stack for.
pub(in crate::syntax) fn too_complex(span: Span) -> Diagnostic {
    let text = "Parser stack overflowed - Python source too complex to parse";
    too_high(Diagnostic::new(Code::TooDeep, span, text).class(ErrorClass::MemoryError))
}

fn too_high(error: Diagnostic) -> Diagnostic {
    error.message("this expression is too long: split it into several")
}

impl Builder<'_> {
    // ---- expressions ----

    pub(crate) fn expr(&mut self, start: u32, kind: ExprKind, end: u32) -> ExprId {
        let id = self.ast.add_expr(kind, Span::new(start, end));
        if self.ast.expr(id).height > self.max_height.min(MAX_HEIGHT_RIGHT) && !self.too_high {
            self.check_height(id);
        }
        id
    }

    fn check_height(&mut self, id: ExprId) {
        let node = self.ast.expr(id);
        // Where the operand is on the right CPython's parser gives up, else its compiler.
        let on_the_right = matches!(
            node.kind,
            ExprKind::UnaryOp { .. }
                | ExprKind::Lambda { .. }
                | ExprKind::IfExp { .. }
                | ExprKind::BinOp { op: BinaryOp::Pow, .. }
        );
        let most = if on_the_right { self.max_height.min(MAX_HEIGHT_RIGHT) } else { self.max_height };
        if node.height <= most {
            return;
        }
        self.too_high = true;
        let error = if on_the_right {
            too_complex(node.span)
        } else {
            let text = "maximum recursion depth exceeded during compilation";
            too_high(Diagnostic::new(Code::TooDeep, node.span, text).class(ErrorClass::RecursionError))
        };
        self.errors.push(error);
    }

    pub(crate) fn constant(&mut self, start: u32, value: Constant, end: u32) -> ExprId {
        self.expr(start, ExprKind::Constant(value), end)
    }

    pub(crate) fn number(&mut self, start: u32, end: u32) -> ExprId {
        let span = Span::new(start, end);
        let value = literal::number(self.text(span)).unwrap_or_else(|message| {
            self.report(Code::InvalidNumber, span, message);
            Constant::Int(0)
        });
        self.constant(start, value, end)
    }

    pub(crate) fn tuple(&mut self, start: u32, elts: Vec<ExprId>, end: u32) -> ExprId {
        self.expr(start, ExprKind::Tuple { elts: elts.into(), ctx: Context::Load }, end)
    }

    pub(crate) fn list(&mut self, start: u32, elts: Vec<ExprId>, end: u32) -> ExprId {
        self.expr(start, ExprKind::List { elts: elts.into(), ctx: Context::Load }, end)
    }

    pub(crate) fn set(&mut self, start: u32, elts: Vec<ExprId>, end: u32) -> ExprId {
        self.expr(start, ExprKind::Set { elts: elts.into() }, end)
    }

    pub(crate) fn dict(&mut self, start: u32, items: Vec<DictItem>, end: u32) -> ExprId {
        self.expr(start, ExprKind::Dict { items: items.into() }, end)
    }

    pub(crate) fn starred(&mut self, start: u32, value: ExprId, end: u32) -> ExprId {
        self.expr(start, ExprKind::Starred { value, ctx: Context::Load }, end)
    }

    fn comprehension(&mut self, elt: ExprId) {
        if let ExprKind::Starred { .. } = self.ast.expr(elt).kind {
            let span = self.span(elt);
            self.report(Code::UnexpectedToken, span, "iterable unpacking cannot be used in comprehension");
        }
    }

    pub(crate) fn generator(&mut self, start: u32, elt: ExprId, generators: Vec<Comprehension>, end: u32) -> ExprId {
        self.comprehension(elt);
        self.expr(start, ExprKind::GeneratorExp { elt, generators: generators.into() }, end)
    }

    pub(crate) fn list_comp(&mut self, start: u32, elt: ExprId, generators: Vec<Comprehension>, end: u32) -> ExprId {
        self.comprehension(elt);
        self.expr(start, ExprKind::ListComp { elt, generators: generators.into() }, end)
    }

    pub(crate) fn set_comp(&mut self, start: u32, elt: ExprId, generators: Vec<Comprehension>, end: u32) -> ExprId {
        self.comprehension(elt);
        self.expr(start, ExprKind::SetComp { elt, generators: generators.into() }, end)
    }

    pub(crate) fn dict_comp(&mut self, start: u32, item: DictItem, generators: Vec<Comprehension>, end: u32) -> ExprId {
        let Some(key) = item.key else {
            let value = self.span(item.value);
            let stars = self.source.text()[..value.start as usize].rfind("**").unwrap_or(start as usize) as u32;
            self.report(
                Code::UnexpectedToken,
                Span::new(stars, stars + 2),
                "dict unpacking cannot be used in dict comprehension",
            );
            return item.value;
        };
        self.expr(start, ExprKind::DictComp { key, value: item.value, generators: generators.into() }, end)
    }

    /// `(item)`
    pub(crate) fn group(&mut self, start: u32, item: GroupItem, end: u32) -> ExprId {
        if item.target.is_some() {
            return self.group_list(start, vec![item], end);
        }
        if let ExprKind::Starred { .. } = self.ast.expr(item.value).kind {
            let span = self.span(item.value);
            self.report(Code::UnexpectedToken, span, "cannot use starred expression here");
        }
        self.parenthesized(item.value)
    }

    /// Note that parentheses stand around `id`.
    pub(crate) fn parenthesized(&mut self, id: ExprId) -> ExprId {
        self.ast.expr_mut(id).parenthesized = true;
        id
    }

    /// `(item, item)`
    pub(crate) fn group_list(&mut self, start: u32, items: Vec<GroupItem>, end: u32) -> ExprId {
        let values = items.iter().map(|item| item.value).collect();
        let id = self.tuple(start, values, end);
        if items.iter().any(|item| item.target.is_some()) {
            self.with_groups.push((id, items));
        }
        self.parenthesized(id)
    }

    pub(crate) fn named(&mut self, start: u32, target: ExprId, value: ExprId, end: u32) -> ExprId {
        if let ExprKind::Name { ctx, .. } = &mut self.ast.expr_mut(target).kind {
            *ctx = Context::Store;
        }
        let node = self.ast.expr(target);
        if !matches!(node.kind, ExprKind::Name { .. }) || node.parenthesized {
            let (span, name) = (node.span, target::describe(&node.kind));
            self.report(Code::InvalidTarget, span, format!("cannot use assignment expressions with {name}"));
        }
        self.expr(start, ExprKind::NamedExpr { target, value }, end)
    }

    pub(crate) fn if_exp(&mut self, start: u32, body: ExprId, test: ExprId, orelse: ExprId, end: u32) -> ExprId {
        self.expr(start, ExprKind::IfExp { test, body, orelse }, end)
    }

    pub(crate) fn lambda(&mut self, start: u32, params: Params, body: ExprId, end: u32) -> ExprId {
        let args = Box::new(self.arguments(params, true));
        self.expr(start, ExprKind::Lambda { args, body }, end)
    }

    pub(crate) fn bool_op(&mut self, start: u32, op: BoolOp, values: Vec<ExprId>, end: u32) -> ExprId {
        self.expr(start, ExprKind::BoolOp { op, values: values.into() }, end)
    }

    pub(crate) fn unary(&mut self, start: u32, op: UnaryOp, operand: ExprId, end: u32) -> ExprId {
        self.expr(start, ExprKind::UnaryOp { op, operand }, end)
    }

    pub(crate) fn compare(&mut self, start: u32, left: ExprId, comparisons: Vec<Comparison>, end: u32) -> ExprId {
        self.expr(start, ExprKind::Compare { left, comparisons: comparisons.into() }, end)
    }

    pub(crate) fn power(&mut self, start: u32, left: ExprId, right: ExprId, end: u32) -> ExprId {
        self.expr(start, ExprKind::BinOp { left, op: BinaryOp::Pow, right }, end)
    }

    pub(crate) fn chain_start(&mut self, left: Placed, op: BinaryOp, right: Placed) -> Chain {
        // The operator of the bottom entry is never looked at.
        vec![(op, left), (op, right)]
    }

    pub(crate) fn chain_more(&mut self, chain: &mut Chain, op: BinaryOp, right: Placed) {
        self.chain_reduce(chain, precedence(op));
        chain.push((op, right));
    }

    pub(crate) fn chain(&mut self, mut chain: Chain) -> ExprId {
        self.chain_reduce(&mut chain, 0);
        chain[0].1.1
    }

    /// Group what binds at least as tight as `floor`, from the right; operators associate to the left.
    fn chain_reduce(&mut self, chain: &mut Chain, floor: u8) {
        while chain.len() > 1
            && let Some((op, right)) = chain.pop_if(|(op, _)| precedence(*op) >= floor)
        {
            let left = &mut chain.last_mut().expect("an operator has a left operand").1;
            let (start, end) = (left.0, right.2);
            let kind = ExprKind::BinOp { left: left.1, op, right: right.1 };
            let node = self.expr(start, kind, end);
            *left = (start, node, end);
        }
    }

    pub(crate) fn attribute(&mut self, start: u32, value: ExprId, attr: Ident, end: u32) -> ExprId {
        self.expr(start, ExprKind::Attribute { value, attr: attr.name, ctx: Context::Load }, end)
    }

    pub(crate) fn subscript(&mut self, start: u32, value: ExprId, slice: ExprId, end: u32) -> ExprId {
        self.expr(start, ExprKind::Subscript { value, slice, ctx: Context::Load }, end)
    }

    /// A lone index: a starred one makes a tuple.
    pub(crate) fn index(&mut self, index: ExprId) -> ExprId {
        let node = self.ast.expr(index);
        match node.kind {
            ExprKind::Starred { .. } => self.tuple(node.span.start, vec![index], node.span.end),
            _ => index,
        }
    }

    // ---- calls ----

    pub(crate) fn keyword(&mut self, start: u32, name: ExprId, value: ExprId, end: u32) -> Argument {
        let span = Span::new(start, end);
        let node = self.ast.expr(name);
        let arg = match node.kind {
            ExprKind::Name { id, .. } if !node.parenthesized => Some(id),
            _ => {
                let head = Span::new(node.span.start, self.equals_after(node.span.end));
                let constant = match node.kind {
                    ExprKind::Constant(Constant::True) => Some("True"),
                    ExprKind::Constant(Constant::False) => Some("False"),
                    ExprKind::Constant(Constant::None) => Some("None"),
                    _ => None,
                };
                let text = match constant {
                    Some(word) => format!("cannot assign to {word}"),
                    None => "expression cannot contain assignment, perhaps you meant \"==\"?".into(),
                };
                self.report(Code::AssignmentInExpression, head, text);
                None
            }
        };
        Argument::Keyword(Keyword { arg, value, span })
    }

    /// The end of the `=` that follows `at`.
    pub(in crate::syntax) fn equals_after(&self, at: u32) -> u32 {
        let rest = &self.source.text().as_bytes()[at as usize..];
        memchr::memchr(b'=', rest).map_or(at, |skip| at + skip as u32 + 1)
    }

    pub(crate) fn star_argument(&mut self, start: u32, value: ExprId, end: u32) -> Argument {
        Argument::Starred(self.starred(start, value, end), Span::new(start, end))
    }

    pub(crate) fn generator_argument(
        &mut self,
        start: u32,
        elt: ExprId,
        generators: Vec<Comprehension>,
        end: u32,
    ) -> Argument {
        let last = generators.last().expect("a generator has a clause");
        let last = self.span(last.ifs.last().copied().unwrap_or(last.iter)).end;
        Argument::Generator(self.generator(start, elt, generators, end), Span::new(start, last))
    }

    pub(crate) fn args(&mut self, mut list: Vec<Argument>, last: Option<Argument>) -> Args {
        let trailing_comma = last.is_none() && !list.is_empty();
        list.extend(last);
        let mut args = Args::default();
        let count = list.len();
        let (mut unpacked, mut misplaced) = (false, false);
        for argument in &list {
            match *argument {
                Argument::Positional(value, _) => {
                    if !args.keywords.is_empty() && !misplaced {
                        misplaced = true;
                        let what = if unpacked { " unpacking" } else { "" };
                        let last = list.last().map_or(0, |last| last.span().end);
                        let next = self.token_at(last);
                        let at = if next.token == Token::Comma { next.span.end } else { last };
                        self.report_after(
                            Code::InvalidArguments,
                            argument.span(),
                            at,
                            format!("positional argument follows keyword argument{what}"),
                        );
                    }
                    args.args.push(value);
                }
                Argument::Starred(value, span) => {
                    if unpacked {
                        let comma = self.source.text()[..span.start as usize].rfind(',').unwrap_or(0) as u32;
                        self.report(
                            Code::InvalidArguments,
                            Span::new(comma, span.end),
                            "iterable argument unpacking follows keyword argument unpacking",
                        );
                    }
                    args.args.push(value);
                }
                Argument::Generator(value, span) => {
                    if count == 1 && !trailing_comma {
                        args.lone_generator = true;
                    } else {
                        self.report(Code::InvalidArguments, span, "Generator expression must be parenthesized");
                    }
                    args.args.push(value);
                }
                Argument::Keyword(keyword) => args.keywords.push(keyword),
                Argument::Unpacking(keyword) => {
                    unpacked = true;
                    args.keywords.push(keyword);
                }
            }
        }
        args
    }

    pub(crate) fn call(&mut self, start: u32, func: ExprId, open: u32, args: Args, end: u32) -> ExprId {
        if args.lone_generator {
            self.ast.expr_mut(args.args[0]).span = Span::new(open, end);
        }
        self.expr(start, ExprKind::Call { func, args: args.args.into(), keywords: args.keywords.into() }, end)
    }

    // ---- parameters ----

    pub(crate) fn param(
        &mut self,
        start: u32,
        kind: ParamKind,
        name: Ident,
        annotation: Option<ExprId>,
        default: Option<ExprId>,
        end: u32,
    ) -> Param {
        let span = Span::new(start, end);
        Param { kind, arg: Some(Arg { name: name.name, annotation, span }), default, span }
    }

    pub(crate) fn mark(&mut self, kind: ParamKind, start: u32, end: u32) -> Param {
        Param { kind, arg: None, default: None, span: Span::new(start, end) }
    }

    /// Sort parameters into their kinds.
    pub(super) fn arguments(&mut self, params: Params, lambda: bool) -> Arguments {
        if params.is_empty() {
            return Arguments::default();
        }
        let mut posonly = Vec::new();
        let mut plain = Vec::new();
        let mut kwonly = Vec::new();
        let mut kw_defaults = Vec::new();
        let mut defaults = Vec::new();
        let (mut vararg, mut kwarg) = (None, None);
        let mut star: Option<Span> = None;
        let mut slash = false;
        let fail = |builder: &mut Self, span: Span, text: &str| {
            builder.report(Code::InvalidParameters, span, text);
        };
        for (index, param) in params.iter().enumerate() {
            let span = param.span;
            if kwarg.is_some() {
                let span = match param.kind {
                    ParamKind::Star => Span::new(self.star_before(span), self.star_before(span) + 1),
                    ParamKind::DoubleStar => Span::new(self.star_before(span) - 1, self.star_before(span) + 1),
                    ParamKind::Plain | ParamKind::Slash => span,
                };
                fail(self, span, "arguments cannot follow var-keyword argument");
                break;
            }
            match (param.kind, param.arg) {
                (ParamKind::Plain, Some(arg)) if star.is_some() => {
                    kwonly.push(arg);
                    kw_defaults.push(param.default);
                }
                (ParamKind::Plain, Some(arg)) => {
                    match param.default {
                        Some(default) => defaults.push(default),
                        None if !defaults.is_empty() => {
                            fail(self, span, "parameter without a default follows parameter with a default");
                        }
                        None => {}
                    }
                    plain.push(arg);
                }
                (ParamKind::Star, arg) => {
                    if star.is_some() {
                        fail(
                            self,
                            Span::new(self.star_before(span), self.star_before(span) + 1),
                            "* argument may appear only once",
                        );
                    } else if arg.is_none() {
                        let next = params.get(index + 1);
                        if next.is_none_or(|next| next.kind == ParamKind::DoubleStar) {
                            let text = "named arguments must follow bare *";
                            if lambda {
                                let comma = self.token_at(span.end);
                                let at = if comma.token == Token::Comma { comma.span.end } else { span.end };
                                self.report_after(Code::InvalidParameters, span, at, text);
                            } else {
                                fail(self, span, text);
                            }
                        }
                    }
                    star = Some(span);
                    vararg = arg;
                }
                (ParamKind::DoubleStar, arg) => kwarg = arg,
                (ParamKind::Slash, _) | (ParamKind::Plain, None) => {
                    if slash {
                        fail(self, span, "/ may appear only once");
                    } else if star.is_some() {
                        fail(self, span, "/ must be ahead of *");
                    } else if index == 0 {
                        let alone = params.len() == 1;
                        fail(self, span, if alone { "invalid syntax" } else { "at least one argument must precede /" });
                    }
                    slash = true;
                    posonly = std::mem::take(&mut plain);
                }
            }
        }
        Arguments {
            posonlyargs: posonly.into(),
            args: plain.into(),
            vararg,
            kwonlyargs: kwonly.into(),
            kw_defaults: kw_defaults.into(),
            kwarg,
            defaults: defaults.into(),
        }
    }

    fn star_before(&self, span: Span) -> u32 {
        if self.text(span) == "*" {
            return span.start;
        }
        self.source.text()[..span.start as usize].rfind('*').unwrap_or(0) as u32
    }
}

pub(super) fn precedence(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::BitOr => 1,
        BinaryOp::BitXor => 2,
        BinaryOp::BitAnd => 3,
        BinaryOp::LShift | BinaryOp::RShift => 4,
        BinaryOp::Add | BinaryOp::Sub => 5,
        BinaryOp::Mult | BinaryOp::MatMult | BinaryOp::Div | BinaryOp::FloorDiv | BinaryOp::Mod => 6,
        BinaryOp::Pow => 7,
    }
}
