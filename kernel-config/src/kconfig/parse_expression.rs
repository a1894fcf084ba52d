//! From text to expression: tokens, then recursive descent (`!` binds before comparisons before `&&`
//! before `||`, as in the kernel's scripts/kconfig/parser.y).

use super::expression::{Comparison, Expression, Operand};

/// Deeper nesting than any kernel has; bounds the recursion.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Operand(Operand),
    Compare(Comparison),
    And,
    Or,
    Not,
    Open,
    Close,
}

pub(super) fn parse(text: &str) -> Result<Expression, &'static str> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, depth: 0 };
    let expression = parser.or()?;
    if parser.tokens.is_empty() { Ok(expression) } else { Err("something follows its end") }
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '=' => (Token::Compare(Comparison::Equal), 1),
            '&' if rest.starts_with("&&") => (Token::And, 2),
            '|' if rest.starts_with("||") => (Token::Or, 2),
            '!' if rest.starts_with("!=") => (Token::Compare(Comparison::Unequal), 2),
            '!' => (Token::Not, 1),
            '<' if rest.starts_with("<=") => (Token::Compare(Comparison::AtMost), 2),
            '<' => (Token::Compare(Comparison::Less), 1),
            '>' if rest.starts_with(">=") => (Token::Compare(Comparison::AtLeast), 2),
            '>' => (Token::Compare(Comparison::Greater), 1),
            '"' | '\'' => {
                let (content, length) = quoted(rest).ok_or("a quote is not closed")?;
                (Token::Operand(Operand::Quoted(content)), length)
            }
            '$' => {
                let length = macro_length(rest).ok_or("a `$(` is not closed")?;
                let text = rest.get(..length).unwrap_or(rest);
                (Token::Operand(Operand::Macro(text.to_owned())), length)
            }
            _ => {
                let length = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')))
                    .unwrap_or(rest.len());
                if length == 0 {
                    return Err("a sign that no expression has");
                }
                (Token::Operand(Operand::Word(rest.get(..length).unwrap_or(rest).to_owned())), length)
            }
        };
        found.push(token);
        rest = rest.get(length..).unwrap_or("").trim_start();
    }
    Ok(found)
}

/// The content of the quoted text that `text` begins with, and its length with both quotes.
pub(super) fn quoted(text: &str) -> Option<(String, usize)> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next()?;
    let mut content = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => content.push(characters.next()?.1),
            c if c == quote => return Some((content, at + c.len_utf8())),
            c => content.push(c),
        }
    }
    None
}

/// The length of the `$(…)` that `text` begins with; brackets inside are balanced.
pub(super) fn macro_length(text: &str) -> Option<usize> {
    if !text.starts_with("$(") {
        return None;
    }
    let mut open = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '(' => open += 1,
            ')' => {
                open = open.saturating_sub(1);
                if open == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
}

impl<'a> Parser<'a> {
    fn take(&mut self, wanted: &Token) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if first == wanted => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn next(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn or(&mut self) -> Result<Expression, &'static str> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("nested too deeply");
        }
        let mut left = self.and()?;
        while self.take(&Token::Or) {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, &'static str> {
        let mut left = self.not()?;
        while self.take(&Token::And) {
            left = Expression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression, &'static str> {
        let mut negated = false;
        while self.take(&Token::Not) {
            negated = !negated;
        }
        let inner = self.value()?;
        Ok(if negated { Expression::Not(Box::new(inner)) } else { inner })
    }

    fn value(&mut self) -> Result<Expression, &'static str> {
        match self.next() {
            Some(Token::Open) => {
                let inner = self.or()?;
                if self.take(&Token::Close) { Ok(inner) } else { Err("a bracket is not closed") }
            }
            Some(Token::Operand(left)) => {
                let Some(Token::Compare(how)) = self.tokens.first() else {
                    return Ok(Expression::Value(left.clone()));
                };
                self.next();
                match self.next() {
                    Some(Token::Operand(right)) => Ok(Expression::Compare(left.clone(), *how, right.clone())),
                    _ => Err("a comparison lacks its right side"),
                }
            }
            Some(_) => Err("a value is missing before a sign"),
            None => Err("it ends where a value should be"),
        }
    }
}
