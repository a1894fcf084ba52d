//! Why an option is not what was asked: the unmet dependency, the missing prompt, the select, the choice.

use std::fmt;

use crate::config::Configured;
use crate::fragment::{Asked, Fragments};
use crate::kconfig::{Definition, Expression, Operand, SymbolType, Truth, Values, number};
use crate::value::Value;

/// Why an option is not what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The kernel has no such symbol.
    NoSuchSymbol {
        /// A symbol with nearly this name.
        near: Option<String>,
    },
    /// A value that the symbol's type does not have.
    WrongType {
        /// Its type.
        kind: SymbolType,
    },
    /// Dependencies that do not hold, in the smallest parts.
    Unmet(Vec<UnmetPart>),
    /// Nobody can ask for it: it has no prompt.
    NoPrompt {
        /// Symbols that switch it on, with their values, e.g. `A=n`.
        selectors: Vec<String>,
        /// Its default, if its conditions let one apply.
        default: Option<String>,
    },
    /// Its prompt is hidden by these conditions, so the kernel's default counts.
    HiddenPrompt(Vec<UnmetPart>),
    /// Switched on by symbols that are on.
    Selected(Vec<String>),
    /// Another member of its choice is on.
    OtherMember {
        /// The choice's question.
        choice: String,
        /// The member that is on.
        member: String,
        /// Where the fragments ask for that member.
        asked_in: Option<String>,
    },
    /// The number lies outside of what the symbol allows.
    OutOfRange {
        /// Smallest and greatest value, as numbers where known.
        least: String,
        /// See `least`.
        greatest: String,
    },
    /// None of these: the option tree as it was read does not say.
    Unexplained,
}

/// A condition that does not hold, with the values that make it so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmetPart {
    /// The condition as written.
    pub condition: String,
    /// Values of its symbols that matter, e.g. `B=n`.
    pub values: Vec<String>,
    /// Whether it asks the compiler or linker, so that its value is not known here.
    pub asks_compiler: bool,
}

impl Cause {
    pub(crate) fn find(asked: &Asked, on: Configured<'_>, fragments: &Fragments) -> Self {
        let definitions = on.tree.definitions(&asked.symbol);
        if definitions.is_empty() {
            return Self::NoSuchSymbol { near: on.tree.suggest(&asked.symbol).map(str::to_owned) };
        }
        let kind = on.tree.kind(&asked.symbol);
        if let Some(kind) = kind.filter(|kind| !fits(*kind, &asked.value)) {
            return Self::WrongType { kind };
        }
        let switch_off = asked.value == Value::No;
        if switch_off {
            let selectors = active_selectors(&asked.symbol, on);
            if !selectors.is_empty() {
                return Self::Selected(selectors);
            }
        } else if let Some(unmet) = unmet_depends(definitions, on) {
            return Self::Unmet(unmet);
        }
        if definitions.iter().all(|definition| definition.prompt.is_none()) {
            let selectors = on.tree.selectors(&asked.symbol);
            return Self::NoPrompt {
                selectors: selectors.iter().map(|selector| shown(selector.symbol, on)).collect(),
                default: active_default(definitions, on),
            };
        }
        if let Some(hidden) = hidden_prompt(definitions, on) {
            return Self::HiddenPrompt(hidden);
        }
        if let Some(other) = other_member(asked, definitions, on, fragments) {
            return other;
        }
        if let (Value::Number(text), Some(range)) = (&asked.value, active_range(definitions, on))
            && let (Some(value), (Some(least), Some(greatest))) =
                (number(text), (number(&range.0), number(&range.1)))
            && !(least..=greatest).contains(&value)
        {
            return Self::OutOfRange { least: range.0, greatest: range.1 };
        }
        Self::Unexplained
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoSuchSymbol { .. } | Self::Unexplained => return None,
            Self::Unmet(parts) | Self::HiddenPrompt(parts) if parts.iter().all(|part| part.asks_compiler) => {
                "the compiler or linker lacks what it needs: use another one, or drop the option".to_owned()
            }
            Self::Unmet(_) => "ask for what it depends on as well, or drop it".to_owned(),
            Self::HiddenPrompt(_) => "ask for what shows its prompt as well, or drop it".to_owned(),
            Self::NoPrompt { .. } => "ask for a symbol that switches it on instead".to_owned(),
            Self::Selected(_) => "switch off what selects it, or drop the line".to_owned(),
            Self::OtherMember { .. } => "only one member of a choice can be on".to_owned(),
            Self::WrongType { .. } | Self::OutOfRange { .. } => "change the value".to_owned(),
        })
    }
}

fn fits(kind: SymbolType, value: &Value) -> bool {
    matches!(
        (kind, value),
        (SymbolType::Bool | SymbolType::Tristate, Value::Yes | Value::No | Value::Module)
            | (SymbolType::Int | SymbolType::Hex, Value::Number(_) | Value::No)
            | (SymbolType::String, Value::Text(_) | Value::No)
    )
}

/// `None` if one of the definitions has everything that it depends on; else what the nearest one lacks.
/// A symbol can be asked for only where a prompt is, so definitions with one go first.
fn unmet_depends(definitions: &[Definition], on: Configured<'_>) -> Option<Vec<UnmetPart>> {
    let with_prompt = definitions.iter().any(|definition| definition.prompt.is_some());
    let lacking = definitions
        .iter()
        .filter(|definition| !with_prompt || definition.prompt.is_some())
        .map(|definition| unmet_parts(&definition.depends, on));
    lacking.min_by_key(Vec::len).filter(|parts| !parts.is_empty())
}

fn hidden_prompt(definitions: &[Definition], on: Configured<'_>) -> Option<Vec<UnmetPart>> {
    let lacking = definitions.iter().filter_map(|definition| {
        let condition = definition.prompt.as_ref()?.condition.clone();
        let conditions: Vec<Expression> =
            definition.depends.iter().chain(&definition.visible).cloned().chain(condition).collect();
        Some(unmet_parts(&conditions, on))
    });
    lacking.min_by_key(Vec::len).filter(|parts| !parts.is_empty())
}

fn unmet_parts(conditions: &[Expression], on: Configured<'_>) -> Vec<UnmetPart> {
    let mut parts: Vec<UnmetPart> = Vec::new();
    for condition in conditions.iter().flat_map(|condition| condition.unmet(&on)) {
        let part = UnmetPart {
            condition: match condition {
                Expression::Or(..) => format!("({condition})"),
                _ => condition.to_string(),
            },
            values: values_that_matter(condition, on),
            asks_compiler: condition.evaluate(&on) == Truth::Unknown,
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts
}

/// The values of an unmet condition's symbols, leaving out what is met on its own inside of an `&&`.
fn values_that_matter(condition: &Expression, on: Configured<'_>) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for symbol in unmet_ends(condition, on).into_iter().flat_map(Expression::symbols) {
        let text = shown(symbol, on);
        if !values.contains(&text) {
            values.push(text);
        }
    }
    values
}

fn unmet_ends<'e>(part: &'e Expression, on: Configured<'_>) -> Vec<&'e Expression> {
    match part {
        Expression::Or(a, b) => [unmet_ends(a, on), unmet_ends(b, on)].concat(),
        Expression::And(..) => part.unmet(&on).into_iter().flat_map(|side| unmet_ends(side, on)).collect(),
        other => vec![other],
    }
}

/// `A=n`, or that this kernel has no such symbol.
pub(crate) fn shown(symbol: &str, on: Configured<'_>) -> String {
    if on.value(symbol).is_some() {
        format!("{symbol}={}", on.config.shown(symbol))
    } else {
        format!("{symbol} does not exist here")
    }
}

/// Symbols that are on and select this one, with conditions that hold.
pub(crate) fn active_selectors(symbol: &str, on: Configured<'_>) -> Vec<String> {
    on.tree
        .selectors(symbol)
        .iter()
        .filter(|selector| matches!(on.value(selector.symbol).as_deref(), Some("y" | "m")))
        .filter(|selector| selector.condition.is_none_or(|condition| condition.evaluate(&on) != Truth::No))
        .map(|selector| shown(selector.symbol, on))
        .collect()
}

fn active_default(definitions: &[Definition], on: Configured<'_>) -> Option<String> {
    let mut defaults = definitions.iter().flat_map(|definition| &definition.defaults);
    let default = defaults.find(|default| {
        default.condition.as_ref().is_none_or(|condition| condition.evaluate(&on) != Truth::No)
    })?;
    Some(default.what.to_string())
}

fn active_range(definitions: &[Definition], on: Configured<'_>) -> Option<(String, String)> {
    let mut ranges = definitions.iter().flat_map(|definition| &definition.ranges);
    let range = ranges.find(|range| {
        range.condition.as_ref().is_none_or(|condition| condition.evaluate(&on) != Truth::No)
    })?;
    let text = |operand: &Operand| match operand {
        Operand::Word(word) => on.value(word).unwrap_or_else(|| word.clone()),
        Operand::Quoted(text) | Operand::Macro(text) => text.clone(),
    };
    Some((text(&range.what.0), text(&range.what.1)))
}

fn other_member(
    asked: &Asked,
    definitions: &[Definition],
    on: Configured<'_>,
    fragments: &Fragments,
) -> Option<Cause> {
    let choice = on.tree.choices.get(definitions.iter().find_map(|definition| definition.choice)?)?;
    let member = choice
        .members
        .iter()
        .find(|member| **member != asked.symbol && on.value(member).as_deref() == Some("y"))?;
    let asked_in = fragments
        .get(member)
        .filter(|other| other.value == Value::Yes)
        .map(|other| format!("{}:{}", other.file.display(), other.line));
    let question = choice.prompt.clone().unwrap_or_else(|| format!("{}:{}", choice.file, choice.line));
    Some(Cause::OtherMember { choice: question, member: member.clone(), asked_in })
}

/// As many names as fit a line; the rest is counted.
pub(crate) fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let (first, rest) = names.split_at(names.len().min(SHOWN));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    format!("{}{more}", first.join(", "))
}

impl fmt::Display for UnmetPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.condition)?;
        match self.values.as_slice() {
            [] => {}
            [only] if *only == format!("{}=n", self.condition) => f.write_str(", which is n")?,
            values => write!(f, ", where {}", values.join(" and "))?,
        }
        if self.asks_compiler {
            f.write_str(", which asks the compiler or linker")?;
        }
        Ok(())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join =
            |parts: &[UnmetPart]| parts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; and on ");
        match self {
            Self::NoSuchSymbol { near: None } => f.write_str("no such symbol in this kernel"),
            Self::NoSuchSymbol { near: Some(near) } => {
                write!(f, "no such symbol in this kernel; did you mean CONFIG_{near}?")
            }
            Self::WrongType { kind } => write!(f, "it is a symbol of type {kind}"),
            Self::Unmet(parts) => write!(f, "depends on {}", join(parts)),
            Self::HiddenPrompt(parts) => write!(f, "its prompt depends on {}", join(parts)),
            Self::NoPrompt { selectors, default } => {
                f.write_str("it has no prompt, so nobody can ask for it")?;
                if !selectors.is_empty() {
                    write!(f, "; selected by {}", some_of(selectors))?;
                }
                match default {
                    Some(default) => write!(f, "; its default is {default}"),
                    None => Ok(()),
                }
            }
            Self::Selected(by) => write!(f, "selected by {}", some_of(by)),
            Self::OtherMember { choice, member, asked_in } => {
                write!(f, "of the choice `{choice}` {member} is on")?;
                match asked_in {
                    Some(place) => write!(f, ", asked for in {place}"),
                    None => Ok(()),
                }
            }
            Self::OutOfRange { least, greatest } => write!(f, "it must lie between {least} and {greatest}"),
            Self::Unexplained => f.write_str("the kernel's option tree does not say why"),
        }
    }
}
