//! Whether a final configuration is what the fragments ask for, and why not.

use std::fmt;

use crate::cause::Cause;
use crate::config::{Config, Configured};
use crate::fragment::{Asked, Fragments};
use crate::kconfig::Tree;
use crate::value::Value;

/// An option that is not what a fragment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was asked, and where.
    pub asked: Asked,
    /// What it is.
    pub got: Value,
    /// Why.
    pub cause: Cause,
}

/// `CONFIG_A: asked y, is n: depends on B, where B=n (file:line)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}:{})", self.outcome(), self.cause, self.asked.file.display(), self.asked.line)
    }
}

impl Finding {
    /// `CONFIG_A: asked y, is n`; without the second half for a symbol that doesn't exist.
    pub fn outcome(&self) -> String {
        let asked = format!("CONFIG_{}: asked {}", self.asked.symbol, self.asked.value);
        match self.cause {
            Cause::NoSuchSymbol { .. } => asked,
            _ => format!("{asked}, is {}", self.got),
        }
    }
}

/// The options that differ, without their causes: needs no tree, so it is quick.
pub(crate) fn differing<'a>(fragments: &'a Fragments, config: &Config) -> Vec<&'a Asked> {
    fragments.options().iter().filter(|asked| !got(config, asked).same(&asked.value)).collect()
}

/// Every option of the fragments that is not as asked, with its cause. A symbol that the kernel does not
/// have is a finding also where the fragments ask for `n`: the promise that it is off would be empty.
pub fn findings(fragments: &Fragments, config: &Config, tree: &Tree) -> Vec<Finding> {
    let configured = Configured { tree, config };
    fragments
        .options()
        .iter()
        .filter(|asked| !got(config, asked).same(&asked.value) || tree.definitions(&asked.symbol).is_empty())
        .map(|asked| Finding {
            asked: asked.clone(),
            got: got(config, asked),
            cause: Cause::find(asked, configured, fragments),
        })
        .collect()
}

fn got(config: &Config, asked: &Asked) -> Value {
    config.get(&asked.symbol).cloned().unwrap_or(Value::No)
}

#[cfg(test)]
mod tests;
