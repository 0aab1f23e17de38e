//! Text to an image. The language is described in `docs/muxleq.md`.
//!
//! Every statement takes a fixed number of cells, so that labels are known after one pass over the
//! lines. Cells are then filled in, and behind them those of the constants that were asked for by `#`.

use super::Computer;
use super::image::{CELLS, Image};
use super::lines::{Kind, Token, tokens};
use crate::source::{MAX_PROBLEMS, Problem, Problems, nearest};
use std::collections::HashMap;
use std::ops::Range;

/// Top bit of C, which makes a MUX of an instruction.
const MUX: u16 = 1 << 15;
/// What an address is when it stands for the console.
const CONSOLE: i64 = 0xffff;
/// The label behind the last cell, which the assembler defines.
const END: &str = "end";

/// Statements: name, least and most operands, whether SUBLEQ has it, and how it is written.
const STATEMENTS: &[(&str, usize, usize, bool, &str)] = &[
    ("sub", 2, 3, true, "sub A, B or sub A, B, C"),
    ("in", 1, 1, true, "in B"),
    ("out", 1, 1, true, "out A"),
    ("jmp", 1, 1, true, "jmp C"),
    ("halt", 0, 0, true, "halt"),
    ("add", 2, 2, true, "add A, B"),
    ("jneg", 2, 2, false, "jneg A, C"),
    ("jzero", 2, 2, false, "jzero A, C"),
    ("mux", 3, 3, false, "mux A, B, MASK"),
    ("mov", 2, 2, false, "mov A, B"),
    ("load", 2, 2, false, "load POINTER, B"),
    ("store", 2, 2, false, "store A, POINTER"),
    ("jump", 1, 1, false, "jump POINTER"),
    ("cell", 1, usize::MAX, true, "cell VALUE, ..."),
    ("space", 1, 1, true, "space COUNT"),
];

/// A sum of numbers and names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Expression(Vec<(bool, Term)>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Term {
    Number(i64),
    Name(String),
}

/// An operand, and where it is written.
#[derive(Clone, Debug)]
struct Operand {
    value: Value,
    line: usize,
    span: Range<usize>,
}

#[derive(Clone, Debug)]
enum Value {
    Plain(Expression),
    /// The address of a cell with a constant, by its number.
    Constant(usize),
    /// The address of a mask, with the bit that makes a MUX of the instruction.
    Mask(Box<Value>),
}

/// Assembles a text; `name` is for messages.
///
/// # Errors
/// Everything that is wrong with it, each with line and column.
pub fn assemble(name: &str, text: &str, computer: Computer) -> Result<Image, Problems> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.to_owned()));
    assemble_lines(lines, computer).map_err(|problems| Problems::new(name, text, problems))
}

/// Assembles lines that carry the number of the line that they are from.
pub(super) fn assemble_lines(
    lines: impl IntoIterator<Item = (usize, String)>,
    computer: Computer,
) -> Result<Image, Vec<Problem>> {
    let mut assembler = Assembler::new(computer);
    let mut problems = Vec::new();
    for (line, text) in lines {
        let statement = tokens(line, &text)
            .and_then(|tokens| assembler.line(Line { number: line, tokens: &tokens, at: 0 }));
        problems.extend(statement.err());
        if problems.len() >= MAX_PROBLEMS {
            break;
        }
        if assembler.cells.len() > CELLS {
            let what = format!("the program is too large: a machine has {CELLS} cells");
            problems.push(Problem { line, span: 0..1, what, help: None });
            break;
        }
    }
    if problems.is_empty() { assembler.finish() } else { Err(problems) }
}

struct Assembler {
    computer: Computer,
    cells: Vec<Operand>,
    /// Addresses and constants, and the lines that define them.
    names: HashMap<String, (i64, usize)>,
    constants: Vec<Operand>,
    known_constants: HashMap<Expression, usize>,
}

/// A line being read.
struct Line<'t> {
    number: usize,
    tokens: &'t [Token],
    at: usize,
}

impl Line<'_> {
    fn span(&self) -> Range<usize> {
        match (self.tokens.get(self.at), self.tokens.last()) {
            (Some(token), _) => token.span.clone(),
            (None, Some(last)) => last.span.end..last.span.end + 1,
            (None, None) => 0..1,
        }
    }

    fn problem(&self, span: Range<usize>, what: String, help: Option<String>) -> Problem {
        Problem { line: self.number, span, what, help }
    }

    fn take(&mut self, sign: char) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn expression(&mut self) -> Result<Expression, Problem> {
        let mut terms = Vec::new();
        let mut negative = self.take('-');
        loop {
            let span = self.span();
            let term = match self.tokens.get(self.at).map(|token| &token.kind) {
                Some(Kind::Number(number)) => Term::Number(*number),
                Some(Kind::Name(name)) => Term::Name(name.clone()),
                _ => {
                    let what = "a number or a name was expected here".to_owned();
                    return Err(self.problem(span, what, None));
                }
            };
            self.at += 1;
            terms.push((negative, term));
            negative = self.take('-');
            if !negative && !self.take('+') {
                return Ok(Expression(terms));
            }
        }
    }
}

impl Assembler {
    fn new(computer: Computer) -> Assembler {
        Assembler {
            computer,
            cells: Vec::new(),
            names: HashMap::new(),
            constants: Vec::new(),
            known_constants: HashMap::new(),
        }
    }

    fn define(
        &mut self,
        line: &Line<'_>,
        name: &str,
        span: Range<usize>,
        value: i64,
    ) -> Result<(), Problem> {
        if name == END {
            let what = format!("{END:?} is the label behind the last cell, defined already");
            return Err(line.problem(span, what, None));
        }
        if let Some((_, first)) = self.names.get(name) {
            let help = Some(format!("it is defined in line {first}"));
            return Err(line.problem(span, format!("{name:?} is defined twice"), help));
        }
        self.names.insert(name.to_owned(), (value, line.number));
        Ok(())
    }

    fn line(&mut self, mut line: Line<'_>) -> Result<(), Problem> {
        let tokens = line.tokens;
        while let [
            Token { kind: Kind::Name(name), span },
            Token { kind: Kind::Sign(sign @ (':' | '=')), .. },
            ..,
        ] = &tokens[line.at..]
        {
            line.at += 2;
            if *sign == ':' {
                self.define(&line, name, span.clone(), self.cells.len() as i64)?;
                continue;
            }
            let start = line.span().start;
            let expression = line.expression()?;
            let end = tokens[line.at - 1].span.end;
            let value = self.evaluate(&expression, line.number, start..end)?;
            self.define(&line, name, span.clone(), value)?;
            break;
        }
        if line.at == tokens.len() {
            return Ok(());
        }
        let span = line.span();
        let Some(Token { kind: Kind::Name(name), .. }) = tokens.get(line.at) else {
            return Err(line.problem(span, "a statement was expected here".to_owned(), None));
        };
        line.at += 1;
        let Some(&(_, least, most, in_subleq, usage)) = STATEMENTS.iter().find(|s| s.0 == name)
        else {
            let help = nearest(name, STATEMENTS.iter().map(|statement| statement.0));
            let help = help.map(|meant| format!("did you mean {meant}?"));
            return Err(line.problem(span, format!("there is no statement {name:?}"), help));
        };
        if self.computer == Computer::Subleq && !in_subleq {
            let what = format!("{name:?} needs MUX, which SUBLEQ does not have");
            return Err(line.problem(span, what, None));
        }
        let mut operands = Vec::new();
        while line.at < tokens.len() {
            operands.push(self.operand(&mut line)?);
            if line.at < tokens.len() && !line.take(',') {
                let what = "a comma was expected here".to_owned();
                return Err(line.problem(line.span(), what, None));
            }
        }
        if operands.len() < least || operands.len() > most {
            let what = format!("{name:?} does not take {} operands", operands.len());
            return Err(line.problem(span, what, Some(format!("it is written {usage}"))));
        }
        self.statement(name, &operands, line.number, span)
    }

    fn operand(&mut self, line: &mut Line<'_>) -> Result<Operand, Problem> {
        let start = line.span().start;
        let is_constant = line.take('#');
        let expression = line.expression()?;
        let span = start..line.tokens[line.at - 1].span.end;
        let value = if is_constant {
            self.constant(expression, line.number, span.clone())
        } else {
            Value::Plain(expression)
        };
        Ok(Operand { value, line: line.number, span })
    }

    fn constant(&mut self, expression: Expression, line: usize, span: Range<usize>) -> Value {
        let count = self.constants.len();
        let number = *self.known_constants.entry(expression.clone()).or_insert(count);
        if number == count {
            self.constants.push(Operand { value: Value::Plain(expression), line, span });
        }
        Value::Constant(number)
    }

    fn statement(
        &mut self,
        name: &str,
        operands: &[Operand],
        line: usize,
        span: Range<usize>,
    ) -> Result<(), Problem> {
        let operand = |value| Operand { value, line, span: span.clone() };
        let plain = |value: i64| operand(Value::Plain(Expression::number(value)));
        let mask = |value: &Value| operand(Value::Mask(Box::new(value.clone())));
        let mut constant = |expression| self.constant(expression, line, span.clone());
        let zero_value = constant(Expression::number(0));
        let minus_one = operand(constant(Expression::number(-1)));
        // The empty sum is a cell of its own, in which nothing is kept for long.
        let scratch = operand(constant(Expression::default()));
        let zero = operand(zero_value.clone());
        let here = self.cells.len() as i64;
        let at = |cell: i64| plain(here + cell);
        let o = |index: usize| operands[index].clone();
        let copy = |from: Operand, to: Operand| [from, to, mask(&zero_value)];
        let jump = |to: Operand| [zero.clone(), zero.clone(), to];
        // Of what is zero or negative, only what is negative still is so when it is one more.
        let not_positive = |then: Operand| [zero.clone(), scratch.clone(), then];
        let negative = |then: Operand| [minus_one.clone(), scratch.clone(), then];
        let instructions = match name {
            "sub" => vec![[o(0), o(1), operands.get(2).cloned().unwrap_or_else(|| at(3))]],
            "mux" => vec![[o(0), o(1), Operand { value: mask(&o(2).value).value, ..o(2) }]],
            "mov" => vec![copy(o(0), o(1))],
            "in" => vec![[plain(CONSOLE), o(0), plain(0)]],
            "out" => vec![[o(0), plain(CONSOLE), plain(0)]],
            "jmp" => vec![jump(o(0))],
            "halt" => vec![jump(plain(CONSOLE))],
            "add" => vec![
                [scratch.clone(), scratch.clone(), at(3)],
                [o(0), scratch.clone(), at(6)],
                [scratch.clone(), o(1), at(9)],
            ],
            "jneg" => {
                vec![copy(o(0), scratch.clone()), not_positive(at(9)), jump(at(12)), negative(o(1))]
            }
            "jzero" => vec![
                copy(o(0), scratch.clone()),
                not_positive(at(9)),
                jump(at(15)),
                negative(at(15)),
                jump(o(1)),
            ],
            // The pointer is put into the instruction behind.
            "load" => vec![copy(o(0), at(3)), copy(plain(0), o(1))],
            "store" => vec![copy(o(1), at(4)), copy(o(0), plain(0))],
            "jump" => vec![copy(o(0), at(5)), jump(plain(0))],
            "space" => {
                let count = self.count(&operands[0])?;
                let left = CELLS + 1 - self.cells.len().min(CELLS);
                self.cells.extend(std::iter::repeat_n(plain(0), count.min(left)));
                return Ok(());
            }
            _ => {
                self.cells.extend_from_slice(operands);
                return Ok(());
            }
        };
        self.cells.extend(instructions.into_iter().flatten());
        Ok(())
    }

    /// A number of cells, which has to be known already.
    fn count(&self, operand: &Operand) -> Result<usize, Problem> {
        let Operand { value, line, span } = operand;
        let value = match value {
            Value::Plain(expression) => self.evaluate(expression, *line, span.clone())?,
            _ => -1,
        };
        usize::try_from(value).map_err(|_| {
            let what = "a number of cells was expected here".to_owned();
            Problem { line: *line, span: span.clone(), what, help: None }
        })
    }

    fn evaluate(&self, sum: &Expression, line: usize, span: Range<usize>) -> Result<i64, Problem> {
        let mut total = 0_i64;
        for (negative, term) in &sum.0 {
            let value = match term {
                Term::Number(number) => *number,
                Term::Name(name) => match self.names.get(name) {
                    Some((value, _)) => *value,
                    None => {
                        let mut known: Vec<&str> = self.names.keys().map(String::as_str).collect();
                        known.sort_unstable();
                        let help = nearest(name, known).map(|name| format!("did you mean {name}?"));
                        let what = format!("there is no name {name:?}");
                        return Err(Problem { line, span, what, help });
                    }
                },
            };
            total = total.saturating_add(if *negative { value.saturating_neg() } else { value });
        }
        Ok(total)
    }

    fn value(&self, operand: &Operand, value: &Value) -> Result<u16, Problem> {
        let Operand { line, span, .. } = operand;
        let problem = |what| Problem { line: *line, span: span.clone(), what, help: None };
        match value {
            Value::Plain(expression) => {
                let value = self.evaluate(expression, *line, span.clone())?;
                let fits = (-32_768..=65_535).contains(&value);
                let what = || problem(format!("{value} does not fit a cell: -32768 to 65535"));
                if fits { Ok(value as u16) } else { Err(what()) }
            }
            // The program has been checked to fit.
            Value::Constant(number) => Ok((self.cells.len() + number) as u16),
            Value::Mask(mask) => match self.value(operand, mask)? {
                address @ 0..0x7fff => Ok(MUX | address),
                address => {
                    Err(problem(format!("a mask has to be below address 32767, not {address}")))
                }
            },
        }
    }

    /// Fills in all cells, now that every name is known.
    fn finish(mut self) -> Result<Image, Vec<Problem>> {
        let length = self.cells.len() + self.constants.len();
        if length > CELLS {
            let what = format!("the program is too large: {length} cells of {CELLS}");
            return Err(vec![Problem { line: 1, span: 0..1, what, help: None }]);
        }
        self.names.insert(END.to_owned(), (length as i64, 0));
        let (mut cells, mut problems) = (Vec::with_capacity(length), Vec::new());
        for operand in self.cells.iter().chain(&self.constants) {
            match self.value(operand, &operand.value) {
                Ok(cell) => cells.push(cell),
                Err(problem) => problems.push(problem),
            }
            if problems.len() >= MAX_PROBLEMS {
                break;
            }
        }
        problems.dedup();
        match Image::new(cells) {
            Some(image) if problems.is_empty() => Ok(image),
            _ => Err(problems),
        }
    }
}

impl Expression {
    fn number(value: i64) -> Expression {
        Expression(vec![(false, Term::Number(value))])
    }
}
