//! The kernel's own option tree, read far enough to explain why an option is as it is.
//!
//! This reads definitions (type, prompt, dependencies with those of the surrounding `if`, `menu` and
//! `choice`, defaults, selects, ranges, help); it computes no configuration: the kernel's `conf` does.

mod expression;
mod parse_expression;
mod read;
mod statement;

use std::collections::BTreeMap;
use std::fmt;

pub use expression::{
    Comparison, Expression, Operand, ParseExpressionError, Truth, Values, is_symbol_name, number,
};
pub use read::ReadKconfigError;

/// What a symbol can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolType {
    /// `y` or `n`.
    Bool,
    /// `y`, `m` or `n`.
    Tristate,
    /// A decimal number.
    Int,
    /// A number written `0x…`.
    Hex,
    /// Text.
    String,
}

impl fmt::Display for SymbolType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Tristate => "tristate",
            Self::Int => "int",
            Self::Hex => "hex",
            Self::String => "string",
        })
    }
}

/// Something with a condition; `None` is "always".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditional<T> {
    /// The thing.
    pub what: T,
    /// Its `if`.
    pub condition: Option<Expression>,
}

/// One `config` or `menuconfig` block. A symbol may have several.
#[derive(Debug, Clone, Default)]
pub struct Definition {
    /// File, relative to the source.
    pub file: String,
    /// Line of the `config` keyword, from 1.
    pub line: usize,
    /// Its type, where this block says it.
    pub kind: Option<SymbolType>,
    /// The question that a person would be asked; without one nobody can ask for the symbol.
    pub prompt: Option<Conditional<String>>,
    /// `depends on` of the block and of everything around it; all must hold.
    pub depends: Vec<Expression>,
    /// Conditions of menus and choices around it that hide the prompt.
    pub visible: Vec<Expression>,
    /// Values where nobody asks; the first whose condition holds.
    pub defaults: Vec<Conditional<Expression>>,
    /// Symbols that this one switches on.
    pub selects: Vec<Conditional<String>>,
    /// Symbols that this one suggests.
    pub implies: Vec<Conditional<String>>,
    /// Smallest and greatest value.
    pub ranges: Vec<Conditional<(Operand, Operand)>>,
    /// The help text, without its indentation.
    pub help: Option<String>,
    /// The choice it is a member of: an index into [`Tree::choices`].
    pub choice: Option<usize>,
}

/// One of several: a `choice` block.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// File, relative to the source.
    pub file: String,
    /// Line of the `choice` keyword, from 1.
    pub line: usize,
    /// Its question.
    pub prompt: Option<String>,
    /// Names of its members.
    pub members: Vec<String>,
}

/// A line that the reader did not understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadLine {
    /// File, relative to the source.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
}

/// All symbols of a kernel for one architecture.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// Definitions by symbol name (without `CONFIG_`).
    pub symbols: BTreeMap<String, Vec<Definition>>,
    /// All choices.
    pub choices: Vec<Choice>,
    /// What could not be read: explanations may lack it.
    pub unread: Vec<UnreadLine>,
}

/// Who switches a symbol on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector<'a> {
    /// Name of the symbol that selects or implies.
    pub symbol: &'a str,
    /// Under which condition.
    pub condition: Option<&'a Expression>,
}

impl Tree {
    /// The definitions of a symbol, in the order of the files; empty for an unknown one.
    pub fn definitions(&self, symbol: &str) -> &[Definition] {
        self.symbols.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// The type of a symbol.
    pub fn kind(&self, symbol: &str) -> Option<SymbolType> {
        self.definitions(symbol).iter().find_map(|definition| definition.kind)
    }

    /// The symbol whose name is nearest to one that does not exist, if it is near enough to be a slip.
    pub fn suggest(&self, name: &str) -> Option<&str> {
        let near = nacre_diag::did_you_mean(name, self.symbols.keys().map(String::as_str))?;
        // Among ten thousand names something is always near: only one edit in four letters counts.
        (nacre_diag::edit_distance(&name.to_ascii_uppercase(), near) <= name.len().div_ceil(4))
            .then_some(near)
    }

    /// Every symbol with a `select` of this one.
    pub fn selectors<'a>(&'a self, symbol: &str) -> Vec<Selector<'a>> {
        self.pointing(symbol, |definition| &definition.selects)
    }

    /// Every symbol with an `imply` of this one.
    pub fn impliers<'a>(&'a self, symbol: &str) -> Vec<Selector<'a>> {
        self.pointing(symbol, |definition| &definition.implies)
    }

    fn pointing<'a>(
        &'a self,
        symbol: &str,
        list: impl Fn(&'a Definition) -> &'a Vec<Conditional<String>>,
    ) -> Vec<Selector<'a>> {
        self.symbols
            .iter()
            .flat_map(|(name, definitions)| definitions.iter().map(move |definition| (name, definition)))
            .flat_map(|(name, definition)| list(definition).iter().map(move |entry| (name, entry)))
            .filter(|(_, entry)| entry.what == symbol)
            .map(|(name, entry)| Selector { symbol: name, condition: entry.condition.as_ref() })
            .collect()
    }
}
