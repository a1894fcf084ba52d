//! The kernel's own names for its addresses.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::Result;

/// A System.map.
#[derive(Debug)]
pub(super) struct Symbols {
    addresses: HashMap<String, u32>,
    /// Functions, by address.
    functions: Vec<(u32, String)>,
}

impl Symbols {
    pub(super) fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut symbols = Self { addresses: HashMap::new(), functions: Vec::new() };
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(address), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Ok(address) = u32::from_str_radix(address, 16) else { continue };
            symbols.addresses.insert(name.to_owned(), address);
            if kind.eq_ignore_ascii_case("t") {
                symbols.functions.push((address, name.to_owned()));
            }
        }
        symbols.functions.sort_unstable();
        symbols
    }

    /// Where a symbol is.
    pub(super) fn address(&self, name: &str) -> Result<u32> {
        self.addresses.get(name).copied().ok_or_else(|| format!("System.map has no `{name}`").into())
    }

    /// The function that an address is in.
    pub(super) fn function(&self, address: u32) -> &str {
        let after = self.functions.partition_point(|(start, _)| *start <= address);
        let found = after.checked_sub(1).and_then(|at| self.functions.get(at));
        found.map_or("nobody", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_found_by_name_and_functions_by_what_is_in_them() {
        let symbols = Symbols::parse("c0100000 T _stext\nc0100010 t work\nc0500000 D data\n\nbad line x\n");
        assert_eq!(symbols.address("data").unwrap(), 0xc050_0000);
        assert!(symbols.address("none").is_err());
        assert_eq!(symbols.function(0xc010_0014), "work");
        assert_eq!(symbols.function(0xc000_0000), "nobody");
    }
}
