//! Text to words, in two passes: the first finds the labels.

use super::isa::{Form, Insn, MAX_IMMEDIATE, MAX_PROGRAM, MAX_SHIFT, MIN_IMMEDIATE, Op, Reg};
use super::lexer::{Kind, Token, tokens};
use crate::source::{MAX_PROBLEMS, Problem, Problems, nearest};
use std::collections::HashMap;
use std::ops::Range;

/// An assembled program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The instructions.
    pub words: Vec<u32>,
    /// The line that each comes from, from 1.
    pub lines: Vec<usize>,
    /// Labels in lower case and the instruction that follows each; sorted by place, then name.
    pub labels: Vec<(String, u16)>,
}

/// Assembles a text; `name` is for messages.
///
/// # Errors
/// Everything that is wrong with it, each with line and column.
pub fn assemble(name: &str, text: &str) -> Result<Program, Problems> {
    let mut problems = Vec::new();
    let mut labels = Labels::default();
    let mut statements = Vec::new();
    for (index, text) in text.lines().enumerate() {
        let line = index + 1;
        let found = problems.len();
        let tokens = tokens(line, text, &mut problems);
        let rest = labels.define(line, statements.len(), &tokens, &mut problems);
        // A line in which characters are wrong would be complained about twice.
        if problems.len() >= MAX_PROBLEMS {
            break;
        }
        if !rest.is_empty() {
            let sound = problems.len() == found;
            statements.push((line, if sound { rest.to_vec() } else { Vec::new() }));
        }
    }
    if let Some((line, _)) = statements.get(MAX_PROGRAM) {
        let what = format!("a program has at most {MAX_PROGRAM} instructions");
        problems.push(Problem { line: *line, span: 0..1, what, help: None });
    }
    let length = statements.len();
    let mut program = Program::default();
    for (line, tokens) in statements.iter().filter(|(_, tokens)| !tokens.is_empty()) {
        let mut statement = Statement { line: *line, tokens, at: 0, labels: &labels, length };
        match statement.parse() {
            Ok(insn) => {
                program.words.push(insn.encode());
                program.lines.push(*line);
            }
            Err(problem) => problems.push(problem),
        }
        if problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    if !problems.is_empty() {
        return Err(Problems::new(name, text, problems));
    }
    program.labels = labels.0.into_iter().map(|(name, (at, _))| (name, at as u16)).collect();
    program.labels.sort_by(|(a, at), (b, bt)| (at, a).cmp(&(bt, b)));
    Ok(program)
}

/// Names in lower case: the instruction that follows, and the line of the definition.
#[derive(Default)]
struct Labels(HashMap<String, (usize, usize)>);

impl Labels {
    /// Takes the labels at the start of a line and gives what follows.
    fn define<'t>(
        &mut self,
        line: usize,
        at: usize,
        mut tokens: &'t [Token],
        problems: &mut Vec<Problem>,
    ) -> &'t [Token] {
        while let [
            Token { kind: Kind::Word(name), span },
            Token { kind: Kind::Sign(':'), .. },
            rest @ ..,
        ] = tokens
        {
            tokens = rest;
            let lower = name.to_ascii_lowercase();
            let mut problem = |what, help: Option<String>| {
                problems.push(Problem { line, span: span.clone(), what, help });
            };
            if register(&lower).is_some() || Op::named(&lower).next().is_some() {
                let help = "labels are told from registers and instructions by their names alone";
                problem(format!("{name:?} cannot be a label"), Some(help.to_owned()));
            } else if let Some((_, first)) = self.0.get(&lower) {
                let help = format!("it is defined in line {first}; case makes no difference");
                problem(format!("the label {name:?} is defined twice"), Some(help));
            } else {
                self.0.insert(lower, (at, line));
            }
        }
        tokens
    }
}

fn register(name: &str) -> Option<Reg> {
    let [b'r' | b'R', digit @ b'0'..=b'9'] = name.as_bytes() else { return None };
    Reg::new(digit - b'0')
}

/// An instruction being read.
struct Statement<'p> {
    line: usize,
    tokens: &'p [Token],
    at: usize,
    labels: &'p Labels,
    /// Instructions of the program.
    length: usize,
}

impl Statement<'_> {
    fn parse(&mut self) -> Result<Insn, Problem> {
        let span = self.span();
        let Some(Kind::Word(name)) = self.next() else {
            return Err(self.problem(span, "an instruction or a label was expected here", None));
        };
        let mut candidates: Vec<Op> = Op::named(&name).collect();
        let Some(&first) = candidates.first() else {
            let what = format!("there is no instruction {name:?}");
            let help = nearest(&name, Op::ALL.iter().map(|op| op.name()));
            let help = help.map(|meant| format!("did you mean {meant}?"));
            return Err(self.problem(span, &what, help));
        };
        if let [.., last] = candidates[..]
            && candidates.len() == 2
        {
            // The two differ in their last operand: a number, or a register.
            let number = matches!(self.tokens.last(), Some(Token { kind: Kind::Number(_), .. }));
            candidates.retain(|op| (op.form() == last.form()) != number);
        }
        let insn = self.operands(candidates.first().copied().unwrap_or(first))?;
        if self.at < self.tokens.len() {
            let what = format!("there is more than {name} takes");
            let end = self.tokens.last().map_or(0, |token| token.span.end);
            return Err(self.problem(self.span().start..end, &what, Some(usage(first))));
        }
        Ok(insn)
    }

    fn operands(&mut self, op: Op) -> Result<Insn, Problem> {
        let mut insn = Insn::new(op);
        match op.form() {
            Form::None => {}
            Form::Rd => insn.rd = self.register(op)?,
            Form::RdImm => {
                insn.rd = self.register(op)?;
                insn.imm = self.immediate(op, Some(insn.rd))?;
            }
            Form::RdRs => (insn.rd, insn.rs) = (self.register(op)?, self.register(op)?),
            Form::RdRsRm | Form::RdRsRmAmount => {
                (insn.rd, insn.rs) = (self.register(op)?, self.register(op)?);
                insn.rm = self.register(op)?;
            }
            Form::RdRsAmount => {
                (insn.rd, insn.rs) = (self.register(op)?, self.register(op)?);
                let (value, span) = self.number(op)?;
                let fits = |amount: &i16| (0..=MAX_SHIFT).contains(&i32::from(*amount));
                insn.imm = i16::try_from(value).ok().filter(fits).ok_or_else(|| {
                    let what = format!("the shift amount {value} is not in 0..{MAX_SHIFT}");
                    self.problem(span, &what, None)
                })?;
            }
            Form::RsRm => (insn.rs, insn.rm) = (self.register(op)?, self.register(op)?),
            Form::Target => insn.imm = self.target(op)?,
            Form::Load => (insn.rd, (insn.rs, insn.imm)) = (self.register(op)?, self.address(op)?),
            Form::Store => (insn.rm, (insn.rs, insn.imm)) = (self.register(op)?, self.address(op)?),
        }
        Ok(insn)
    }

    fn next(&mut self) -> Option<Kind> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token.kind.clone())
    }

    /// Where the next token is; behind the last one, the place after it.
    fn span(&self) -> Range<usize> {
        match (self.tokens.get(self.at), self.tokens.last()) {
            (Some(token), _) => token.span.clone(),
            (None, Some(last)) => last.span.end..last.span.end + 1,
            (None, None) => 0..1,
        }
    }

    fn problem(&self, span: Range<usize>, what: &str, help: Option<String>) -> Problem {
        Problem { line: self.line, span, what: what.to_owned(), help }
    }

    fn expected(&self, what: &str, op: Op) -> Problem {
        let what = match self.tokens.get(self.at) {
            Some(_) => format!("{what} was expected here"),
            None => format!("{what} is missing"),
        };
        self.problem(self.span(), &what, Some(usage(op)))
    }

    fn register(&mut self, op: Op) -> Result<Reg, Problem> {
        let found = match self.tokens.get(self.at).map(|token| &token.kind) {
            Some(Kind::Word(name)) => register(name),
            _ => None,
        };
        let reg = found.ok_or_else(|| self.expected("a register, R0 to R7,", op))?;
        self.at += 1;
        Ok(reg)
    }

    /// A number with its sign.
    fn number(&mut self, op: Op) -> Result<(i64, Range<usize>), Problem> {
        let start = self.span().start;
        let negative = self.take('-');
        match self.tokens.get(self.at) {
            Some(Token { kind: Kind::Number(value), span }) => {
                self.at += 1;
                Ok((if negative { -value } else { *value }, start..span.end))
            }
            _ => Err(self.expected("a number", op)),
        }
    }

    fn take(&mut self, sign: char) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn immediate(&mut self, op: Op, rd: Option<Reg>) -> Result<i16, Problem> {
        let (value, span) = self.number(op)?;
        self.fit(value, span, rd)
    }

    fn fit(&self, value: i64, span: Range<usize>, rd: Option<Reg>) -> Result<i16, Problem> {
        if (MIN_IMMEDIATE.into()..=MAX_IMMEDIATE.into()).contains(&value) {
            return Ok(value as i16);
        }
        let what =
            format!("{value} does not fit: immediates are {MIN_IMMEDIATE} to {MAX_IMMEDIATE}");
        let help = match (rd, i32::try_from(value), u32::try_from(value)) {
            (Some(rd), Ok(value), _) => wide(rd, value),
            (Some(rd), _, Ok(bits)) => {
                let value = bits as i32;
                let small = (MIN_IMMEDIATE..=MAX_IMMEDIATE).contains(&value);
                let how = if small { format!("MOV {rd}, {value}") } else { wide(rd, value) };
                format!("registers are signed; in 32 bits this is {value}: {how}")
            }
            (Some(_), ..) => "registers have 32 bits".to_owned(),
            (None, ..) => "add the rest to the base register".to_owned(),
        };
        Err(self.problem(span, &what, Some(help)))
    }

    fn target(&mut self, op: Op) -> Result<i16, Problem> {
        let span = self.span();
        let token = self.tokens.get(self.at).map(|token| token.kind.clone());
        match token {
            Some(Kind::Word(name)) => {
                self.at += 1;
                match self.labels.0.get(&name.to_ascii_lowercase()) {
                    Some(&(at, _)) => self.reach(at as i64, span),
                    None => {
                        let mut known: Vec<&str> =
                            self.labels.0.keys().map(String::as_str).collect();
                        known.sort_unstable();
                        let help =
                            nearest(&name, known).map(|meant| format!("did you mean {meant}?"));
                        Err(self.problem(span, &format!("there is no label {name:?}"), help))
                    }
                }
            }
            Some(Kind::Number(_) | Kind::Sign('-')) => {
                let (value, span) = self.number(op)?;
                self.reach(value, span)
            }
            _ => Err(self.expected("a label", op)),
        }
    }

    /// An address that a jump can go to.
    fn reach(&self, value: i64, span: Range<usize>) -> Result<i16, Problem> {
        let last = self.length.min(MAX_IMMEDIATE as usize) as i64;
        if (0..=last).contains(&value) {
            return Ok(value as i16);
        }
        let what = format!("a jump cannot go to {value}: here, addresses are 0 to {last}");
        Err(self.problem(span, &what, None))
    }

    /// `[Rs]`, `[Rs + imm]`, `[Rs - imm]` or `[Rs, imm]`.
    fn address(&mut self, op: Op) -> Result<(Reg, i16), Problem> {
        if !self.take('[') {
            return Err(self.expected("[", op));
        }
        let base = self.register(op)?;
        self.take('+');
        let closes = self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::Sign(']'));
        let imm = if closes { 0 } else { self.immediate(op, None)? };
        if !self.take(']') {
            return Err(self.expected("]", op));
        }
        Ok((base, imm))
    }
}

/// How an instruction is written.
fn usage(op: Op) -> String {
    let forms = Op::named(op.name()).map(|op| format!("{} {}", op.name(), op.form().text()));
    let forms: Vec<String> = forms.map(|form| form.trim_end().to_owned()).collect();
    format!("it is written {}", forms.join(" or "))
}

/// How to build a constant of 32 bits: 14 bits at a time, from the top.
fn wide(rd: Reg, value: i32) -> String {
    let (high, middle, low) = (value >> 28, value >> 14 & 0x3fff, value & 0x3fff);
    let scratch = Reg::new(if rd.number() == 7 { 6 } else { 7 }).unwrap_or(rd);
    let mut steps = Vec::new();
    let top = value >> 14;
    if (MIN_IMMEDIATE..=MAX_IMMEDIATE).contains(&top) {
        steps.push(format!("MOV {rd}, {top}"));
    } else {
        steps.push(format!("MOV {rd}, {high}"));
        steps.push(format!("SHL {rd}, {rd}, 14"));
        if middle != 0 {
            steps.push(format!("MOV {scratch}, {middle}"));
            steps.push(format!("OR {rd}, {rd}, {scratch}"));
        }
    }
    steps.push(format!("SHL {rd}, {rd}, 14"));
    if low != 0 {
        steps.push(format!("MOV {scratch}, {low}"));
        steps.push(format!("OR {rd}, {rd}, {scratch}"));
    }
    let overwrites = steps.iter().any(|step| step.starts_with(&format!("MOV {scratch}")));
    let needs = if overwrites { format!(" (this overwrites {scratch})") } else { String::new() };
    format!("build it{needs}: {}", steps.join("; "))
}
