//! Kconfig expressions: parsed, shown, and evaluated on a final configuration.
//!
//! Grammar and values: the kernel's Documentation/kbuild/kconfig-language.rst, "Menu dependencies".

use std::fmt;

/// The value of a condition. `$(…)` asks the compiler or the linker; that can't be answered from a
/// configuration, so it is [`Truth::Unknown`] and neither good nor bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// `n`
    No,
    /// `m`
    Module,
    /// `y`
    Yes,
    /// Depends on a macro that only the build's own run can expand.
    Unknown,
}

impl Truth {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Module, _) | (_, Self::Module) => Self::Module,
            _ => Self::Yes,
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Module, _) | (_, Self::Module) => Self::Module,
            _ => Self::No,
        }
    }

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Yes => Self::No,
            other => other,
        }
    }

    fn from_bool(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// What stands at the ends of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A symbol's name, or a constant written without quotes (`y`, `64`, `0x1000`).
    Word(String),
    /// A constant in quotes.
    Quoted(String),
    /// `$(…)`, kept as written.
    Macro(String),
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// One value as a condition.
    Value(Operand),
    /// `!a`
    Not(Box<Self>),
    /// `a && b`
    And(Box<Self>, Box<Self>),
    /// `a || b`
    Or(Box<Self>, Box<Self>),
    /// `a = b` and its kin.
    Compare(Operand, Comparison, Operand),
}

/// Answers what a symbol's value is in a configuration.
pub trait Values {
    /// The value as text: `y`, `m`, `n`, a number, or a string without quotes. `None` for a symbol that
    /// this kernel does not have, which Kconfig takes as a constant of that name.
    fn value(&self, symbol: &str) -> Option<String>;
}

/// Why a text is not an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an expression: {reason}")]
pub struct ParseExpressionError {
    text: String,
    reason: &'static str,
}

impl Expression {
    /// Parses one whole expression.
    ///
    /// # Errors
    /// Anything left over, missing or unbalanced.
    pub fn parse(text: &str) -> Result<Self, ParseExpressionError> {
        super::parse_expression::parse(text)
            .map_err(|reason| ParseExpressionError { text: text.to_owned(), reason })
    }

    /// Its value on a configuration.
    pub fn evaluate(&self, values: &dyn Values) -> Truth {
        match self {
            Self::Value(operand) => match operand {
                Operand::Macro(_) => Truth::Unknown,
                Operand::Quoted(text) => constant(text),
                Operand::Word(word) => match values.value(word) {
                    Some(value) => constant(&value),
                    None => constant(word),
                },
            },
            Self::Not(inner) => inner.evaluate(values).not(),
            Self::And(a, b) => a.evaluate(values).and(b.evaluate(values)),
            Self::Or(a, b) => a.evaluate(values).or(b.evaluate(values)),
            Self::Compare(a, how, b) => match (a.text(values), b.text(values)) {
                (Some(a), Some(b)) => Truth::from_bool(how.holds(compare(&a, &b))),
                _ => Truth::Unknown,
            },
        }
    }

    /// The smallest parts of a condition that keep it from being `y`: of an `&&` only the sides that
    /// are not met, anything else as a whole.
    pub fn unmet(&self, values: &dyn Values) -> Vec<&Self> {
        if self.evaluate(values) == Truth::Yes {
            return Vec::new();
        }
        match self {
            Self::And(a, b) => {
                let mut parts = a.unmet(values);
                parts.extend(b.unmet(values));
                parts
            }
            other => vec![other],
        }
    }

    /// The symbols in it, in order of appearance, each once.
    pub fn symbols(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.collect_symbols(&mut found);
        found
    }

    fn collect_symbols<'a>(&'a self, found: &mut Vec<&'a str>) {
        let mut add = |operand: &'a Operand| {
            if let Operand::Word(word) = operand
                && is_symbol_name(word)
                && !found.contains(&word.as_str())
            {
                found.push(word);
            }
        };
        match self {
            Self::Value(operand) => add(operand),
            Self::Compare(a, _, b) => {
                add(a);
                add(b);
            }
            Self::Not(inner) => inner.collect_symbols(found),
            Self::And(a, b) | Self::Or(a, b) => {
                a.collect_symbols(found);
                b.collect_symbols(found);
            }
        }
    }

    fn strength(&self) -> u8 {
        match self {
            Self::Or(..) => 0,
            Self::And(..) => 1,
            Self::Compare(..) => 2,
            Self::Not(_) => 3,
            Self::Value(_) => 4,
        }
    }

    fn show(&self, f: &mut fmt::Formatter<'_>, least: u8) -> fmt::Result {
        let brackets = self.strength() < least;
        if brackets {
            f.write_str("(")?;
        }
        match self {
            Self::Value(operand) => write!(f, "{operand}")?,
            Self::Not(inner) => {
                f.write_str("!")?;
                inner.show(f, 3)?;
            }
            Self::And(a, b) => {
                a.show(f, 1)?;
                f.write_str(" && ")?;
                b.show(f, 1)?;
            }
            Self::Or(a, b) => {
                a.show(f, 0)?;
                f.write_str(" || ")?;
                b.show(f, 0)?;
            }
            Self::Compare(a, how, b) => write!(f, "{a}{}{b}", how.sign())?,
        }
        if brackets {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f, 0)
    }
}

impl Operand {
    fn text(&self, values: &dyn Values) -> Option<String> {
        match self {
            Self::Macro(_) => None,
            Self::Quoted(text) if text.contains("$(") => None,
            Self::Quoted(text) => Some(text.clone()),
            Self::Word(word) => Some(values.value(word).unwrap_or_else(|| word.clone())),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Macro(text) => f.write_str(text),
            Self::Quoted(text) => write!(f, "\"{text}\""),
        }
    }
}

/// Whether a word can be a symbol rather than `y`, `m`, `n` or a number.
pub fn is_symbol_name(word: &str) -> bool {
    !matches!(word, "y" | "m" | "n")
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && number(word).is_none()
}

/// A decimal or `0x` number, as Kconfig's int and hex symbols have.
pub fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn constant(text: &str) -> Truth {
    match text {
        "y" => Truth::Yes,
        "m" => Truth::Module,
        text if text.contains("$(") => Truth::Unknown,
        _ => Truth::No,
    }
}

/// Numbers as numbers, else as text; the kernel's expr_compare_type does the same.
fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Values for Fixed {
        fn value(&self, symbol: &str) -> Option<String> {
            let value = match symbol {
                "ON" | "ALSO_ON" => "y",
                "OFF" | "ALSO_OFF" => "n",
                "MOD" => "m",
                "TEN" => "10",
                "HEX" => "0x10",
                "NAME" => "text",
                _ => return None,
            };
            Some(value.to_owned())
        }
    }

    fn parsed(text: &str) -> Expression {
        Expression::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn expression_on_values_evaluates() {
        use Truth::{Module, No, Unknown, Yes};
        for (text, expected) in [
            ("ON", Yes),
            ("OFF", No),
            ("MOD", Module),
            ("ABSENT", No),
            ("y", Yes),
            ("!ON", No),
            ("!MOD", Module),
            ("!ABSENT", Yes),
            ("ON && MOD", Module),
            ("OFF || ON", Yes),
            ("ON || OFF && OFF", Yes),
            ("(ON || OFF) && OFF", No),
            ("!(ON && OFF)", Yes),
            ("TEN = 10", Yes),
            ("TEN=\"10\"", Yes),
            ("TEN > 9", Yes),
            ("TEN >= 11", No),
            ("HEX > TEN", Yes),
            ("HEX <= 16", Yes),
            ("TEN != 10", No),
            ("NAME = \"text\"", Yes),
            ("NAME < \"u\"", Yes),
            ("ON = y", Yes),
            ("OFF != n", No),
            ("$(cc-option,-fx)", Unknown),
            ("OFF && $(cc-option,-fx)", No),
            ("ON || $(success,test (a) -o b)", Yes),
            ("ON && !$(cc-option,-fx)", Unknown),
            ("\"$(ARCH)\" = \"arm\"", Unknown),
        ] {
            assert_eq!(parsed(text).evaluate(&Fixed), expected, "{text}");
        }
    }

    #[test]
    fn expression_shown_keeps_its_meaning() {
        for (text, shown) in [
            ("A&&B||C", "A && B || C"),
            ("A && (B || C)", "A && (B || C)"),
            ("!(A || B)", "!(A || B)"),
            ("! A", "!A"),
            ("A = \"x y\"", "A=\"x y\""),
            ("((A))", "A"),
            ("$(cc-option, -f(x)) && A", "$(cc-option, -f(x)) && A"),
        ] {
            let expression = parsed(text);
            assert_eq!(expression.to_string(), shown);
            assert_eq!(parsed(shown), expression, "{shown} is read back as {text}");
        }
    }

    #[test]
    fn expression_malformed_is_refused() {
        for text in ["", "A &&", "(A", "A)", "A B", "&& A", "\"open", "$(open", "A = ", "!", "A | B", "A & B"]
        {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn unmet_names_only_the_false_sides() {
        for (text, unmet) in [
            ("ON && OFF", vec!["OFF"]),
            ("ON && (OFF || ALSO_OFF) && ALSO_ON", vec!["OFF || ALSO_OFF"]),
            ("OFF && ALSO_OFF", vec!["OFF", "ALSO_OFF"]),
            ("ON || OFF", vec![]),
            ("!ON && ALSO_ON", vec!["!ON"]),
            ("$(x) && ON && OFF", vec!["$(x)", "OFF"]),
        ] {
            let expression = parsed(text);
            let parts: Vec<String> = expression.unmet(&Fixed).iter().map(ToString::to_string).collect();
            assert_eq!(parts, unmet, "{text}");
        }
    }

    #[test]
    fn symbols_leave_constants_out() {
        assert_eq!(parsed("A && B=y || !A && C>10 && D=\"q\"").symbols(), ["A", "B", "C", "D"]);
    }
}
