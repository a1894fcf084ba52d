//! A final `.config`, as the kernel's build made it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::kconfig::{Tree, Values};
use crate::value::Value;

/// The values of a configuration. Options that are off are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    values: BTreeMap<String, Value>,
}

impl Config {
    /// Parses the text of a `.config`. Lines that are not options are comments to it.
    pub fn parse(text: &str) -> Self {
        let options = text.lines().filter_map(|line| {
            let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
            Some((name.to_owned(), Value::from_config(value)?))
        });
        Self { values: options.filter(|(_, value)| *value != Value::No).collect() }
    }

    /// Reads a `.config`.
    ///
    /// # Errors
    /// What reading the file gives.
    pub fn load(path: &Path) -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string(path)?))
    }

    /// The value of a symbol (without `CONFIG_`); `None` is off or without a value.
    pub fn get(&self, symbol: &str) -> Option<&Value> {
        self.values.get(symbol)
    }

    /// How many options are on or have a value.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no option is on.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Names of the options that are not the same in both, sorted.
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.values.keys().chain(other.values.keys()).collect();
        names.into_iter().filter(|name| self.get(name) != other.get(name)).cloned().collect()
    }

    /// The value in words: `n` also where the file has nothing.
    pub fn shown(&self, symbol: &str) -> String {
        self.get(symbol).map_or_else(|| "n".to_owned(), ToString::to_string)
    }
}

/// A configuration together with the tree that says which symbols there are.
#[derive(Debug, Clone, Copy)]
pub struct Configured<'a> {
    /// All symbols.
    pub tree: &'a Tree,
    /// Their values.
    pub config: &'a Config,
}

impl Values for Configured<'_> {
    fn value(&self, symbol: &str) -> Option<String> {
        match self.config.get(symbol) {
            Some(value) => Some(value.plain().to_owned()),
            None => self.tree.symbols.contains_key(symbol).then(|| "n".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_text_is_read() {
        let config = Config::parse(
            "# Automatically generated\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=0x10\nCONFIG_D=\"a\\\\b\"\nCONFIG_E=m\n",
        );
        assert_eq!(config.len(), 4);
        for (symbol, shown) in
            [("A", "y"), ("B", "n"), ("C", "0x10"), ("D", "\"a\\\\b\""), ("E", "m"), ("F", "n")]
        {
            assert_eq!(config.shown(symbol), shown);
        }
        let other = Config::parse("CONFIG_A=y\nCONFIG_C=16\nCONFIG_D=\"a\\\\b\"\nCONFIG_E=m\nCONFIG_F=y\n");
        assert_eq!(config.differing(&other), ["C", "F"]);
        assert_eq!(config.differing(&config), Vec::<String>::new());
    }
}
