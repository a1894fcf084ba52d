//! Kernel settings that the sandbox counts on as a second line: `sysctl.conf` beside this file.

use std::fs;

use crate::console::log;

const SETTINGS: &str = include_str!("sysctl.conf");

/// Path under `/proc/sys` and value of each setting.
fn settings(text: &str) -> impl Iterator<Item = (String, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim().replace('.', "/"), value.trim()))
}

/// Applies what the kernel has; what it lacks was left out of its config on purpose.
pub(crate) fn apply() {
    for (name, value) in settings(SETTINGS) {
        let path = format!("/proc/sys/{name}");
        match fs::write(&path, value) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                log(&format!("set {path}: {error}"))
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_file_are_names_with_one_value_each() {
        let all: Vec<(String, &str)> = settings(SETTINGS).collect();
        assert!(all.contains(&("kernel/kptr_restrict".to_owned(), "2")), "{all:?}");
        let folders = ["kernel/", "fs/", "vm/", "dev/", "net/"];
        for (name, value) in &all {
            assert!(folders.iter().any(|folder| name.starts_with(folder)), "{name}");
            assert!(value.parse::<u32>().is_ok(), "{name} = {value}");
            assert_eq!(all.iter().filter(|(other, _)| other == name).count(), 1, "{name} stands there twice");
        }
        let lines = SETTINGS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        assert_eq!(all.len(), lines);
    }
}
