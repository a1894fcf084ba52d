//! Everything about one symbol, for a person who wonders why it is there or why it isn't.

use std::fmt;

use crate::cause::{active_selectors, shown, some_of};
use crate::config::{Config, Configured};
use crate::fragment::{Asked, Fragments};
use crate::kconfig::{Expression, SymbolType, Tree};

/// Everything about one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Name without `CONFIG_`.
    pub symbol: String,
    /// Its value in the final configuration.
    pub value: String,
    /// Its type.
    pub kind: Option<SymbolType>,
    /// Which fragment asks for it, and why.
    pub asked: Option<Asked>,
    /// The places that define it.
    pub definitions: Vec<ExplainedDefinition>,
    /// Symbols that are on and switch it on.
    pub selected_by: Vec<String>,
    /// Symbols that would switch it on and are off.
    pub would_select: Vec<String>,
    /// Symbols that it switches on.
    pub selects: Vec<String>,
    /// The other members, if it is one of a choice.
    pub choice: Option<(String, Vec<String>)>,
    /// Its help text.
    pub help: Option<String>,
}

/// One place that defines a symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedDefinition {
    /// `file:line`, relative to the kernel's source.
    pub place: String,
    /// The question that a person would be asked.
    pub prompt: Option<String>,
    /// Each dependency with the values of its symbols and whether it holds.
    pub depends: Vec<String>,
    /// Values where nobody asks.
    pub defaults: Vec<String>,
}

/// Explains a symbol (with or without `CONFIG_`); `None` if the kernel does not have it.
pub fn explain(symbol: &str, fragments: &Fragments, config: &Config, tree: &Tree) -> Option<Explanation> {
    let symbol = symbol.strip_prefix("CONFIG_").unwrap_or(symbol);
    let definitions = tree.definitions(symbol);
    if definitions.is_empty() {
        return None;
    }
    let on = Configured { tree, config };
    let selected_by = active_selectors(symbol, on);
    let mut would_select: Vec<String> =
        tree.selectors(symbol).iter().map(|by| shown(by.symbol, on)).collect();
    would_select.retain(|by| !selected_by.contains(by));
    would_select.dedup();
    Some(Explanation {
        symbol: symbol.to_owned(),
        value: config.shown(symbol),
        kind: tree.kind(symbol),
        asked: fragments.get(symbol).cloned(),
        definitions: definitions
            .iter()
            .map(|definition| ExplainedDefinition {
                place: format!("{}:{}", definition.file, definition.line),
                prompt: definition.prompt.as_ref().map(|prompt| match &prompt.condition {
                    Some(condition) => format!("\"{}\" if {}", prompt.what, with_values(condition, on)),
                    None => format!("\"{}\"", prompt.what),
                }),
                depends: definition.depends.iter().map(|depends| with_values(depends, on)).collect(),
                defaults: definition
                    .defaults
                    .iter()
                    .map(|default| match &default.condition {
                        Some(condition) => format!("{} if {condition}", default.what),
                        None => default.what.to_string(),
                    })
                    .collect(),
            })
            .collect(),
        selected_by,
        would_select,
        selects: definitions
            .iter()
            .flat_map(|definition| &definition.selects)
            .map(|select| match &select.condition {
                Some(condition) => format!("{} if {condition}", select.what),
                None => select.what.clone(),
            })
            .collect(),
        choice: definitions.iter().find_map(|definition| {
            let choice = tree.choices.get(definition.choice?)?;
            let members = choice.members.iter().map(|member| shown(member, on)).collect();
            Some((choice.prompt.clone().unwrap_or_default(), members))
        }),
        help: definitions.iter().find_map(|definition| definition.help.clone()),
    })
}

/// The condition, the values of its symbols, and `(not met)` if so.
fn with_values(condition: &Expression, on: Configured<'_>) -> String {
    let values: Vec<String> = condition.symbols().into_iter().map(|symbol| shown(symbol, on)).collect();
    let met = if condition.unmet(&on).is_empty() { "" } else { " (not met)" };
    if values.is_empty() {
        format!("{condition}{met}")
    } else {
        format!("{condition}  [{}]{met}", values.join(", "))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.map_or_else(String::new, |kind| format!(" ({kind})"));
        writeln!(f, "CONFIG_{}={}{kind}", self.symbol, self.value)?;
        match &self.asked {
            Some(asked) => {
                writeln!(f, "  asked:       {} in {}:{}", asked.value, asked.file.display(), asked.line)?;
                writeln!(f, "  reason:      {}", asked.reason)?;
            }
            None => writeln!(f, "  asked:       by no fragment")?,
        }
        for definition in &self.definitions {
            writeln!(f, "  defined in:  {}", definition.place)?;
            match &definition.prompt {
                Some(prompt) => writeln!(f, "    prompt:    {prompt}")?,
                None => writeln!(f, "    prompt:    none, so no fragment can ask for it")?,
            }
            for depends in &definition.depends {
                writeln!(f, "    depends:   {depends}")?;
            }
            if !definition.defaults.is_empty() {
                writeln!(f, "    default:   {}", definition.defaults.join("; "))?;
            }
        }
        if let Some((question, members)) = &self.choice {
            writeln!(f, "  one of:      {} (\"{question}\")", members.join(", "))?;
        }
        for (title, names) in [
            ("  selected by: ", &self.selected_by),
            ("  selectable:  ", &self.would_select),
            ("  selects:     ", &self.selects),
        ] {
            if !names.is_empty() {
                writeln!(f, "{title}{}", some_of(names))?;
            }
        }
        if let Some(help) = &self.help {
            writeln!(f)?;
            for line in help.lines() {
                writeln!(f, "{}", format!("  {line}").trim_end())?;
            }
        }
        Ok(())
    }
}
