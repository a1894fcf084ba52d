//! Kernel settings that the sandbox counts on as a second line: `sysctl.conf` beside this file.

use nacre_sys::sysctl::Settings;

use crate::console::log;

const SETTINGS: &str = include_str!("sysctl.conf");

/// Nobody has memory where the kernel's null pointers lead, whatever the kernel was built with. The boards' kernels give
/// the same, each the most that its architecture's programs leave room for.
const LOWEST_ADDRESS: &str =
    if cfg!(target_arch = "arm") { "vm.mmap_min_addr = 32768" } else { "vm.mmap_min_addr = 65536" };

/// Applies what the kernel has.
pub(crate) fn apply() {
    match Settings::open() {
        Ok(settings) => {
            for (name, cause) in [SETTINGS, LOWEST_ADDRESS].into_iter().flat_map(|text| settings.apply(text))
            {
                log(&format!("set {name}: {cause}"));
            }
        }
        Err(cause) => log(&format!("open /proc/sys: {cause}; no setting is applied")),
    }
}

#[cfg(test)]
mod tests {
    use nacre_sys::sysctl::lines;

    use super::*;

    #[test]
    fn settings_of_the_file_are_names_with_one_value_each() {
        assert_eq!(lines(LOWEST_ADDRESS).count(), 1);
        let all: Vec<(&str, &str)> = lines(SETTINGS).collect();
        assert!(all.contains(&("kernel.kptr_restrict", "2")), "{all:?}");
        for (name, value) in &all {
            assert!(["kernel.", "fs.", "vm."].iter().any(|area| name.starts_with(area)), "{name}");
            assert!(value.parse::<u32>().is_ok(), "{name} = {value}");
            assert_eq!(all.iter().filter(|(other, _)| other == name).count(), 1, "{name} stands there twice");
        }
        let lines = SETTINGS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        assert_eq!(all.len(), lines);
    }
}
