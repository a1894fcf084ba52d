//! Whether the apps without which a boot has failed are there.

use nacre_manifest::component::ComponentId;
use nacre_manifest::device::CriticalApp;

/// What was found of an installed app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// A good package with this rollback index.
    Accepted {
        /// Its version for machines.
        rollback_index: u64,
    },
    /// A package that was refused, with the reason.
    Refused(&'a str),
}

/// One line for each critical app that is missing, refused or too old; none for a good boot.
pub fn boot_failures<'a>(
    critical: &[CriticalApp],
    found: impl Fn(&ComponentId) -> Option<Found<'a>>,
) -> Vec<String> {
    let mut failures = Vec::new();
    for CriticalApp { app, min_rollback_index: least } in critical {
        match found(app) {
            None => failures.push(format!("critical app {app} is not installed")),
            Some(Found::Refused(why)) => failures.push(format!("critical app {app} was refused: {why}")),
            Some(Found::Accepted { rollback_index }) if rollback_index < *least => failures.push(format!(
                "critical app {app} is too old: rollback index {rollback_index}, at least {least} is needed"
            )),
            Some(Found::Accepted { .. }) => {}
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_with_each_state_of_a_critical_app_fails_or_passes() {
        let critical = [CriticalApp { app: "org.nacre.recorder".parse().unwrap(), min_rollback_index: 3 }];
        let cases = [
            (None, Some("critical app org.nacre.recorder is not installed")),
            (
                Some(Found::Refused("wrong key")),
                Some("critical app org.nacre.recorder was refused: wrong key"),
            ),
            (
                Some(Found::Accepted { rollback_index: 2 }),
                Some("critical app org.nacre.recorder is too old: rollback index 2, at least 3 is needed"),
            ),
            (Some(Found::Accepted { rollback_index: 3 }), None),
        ];
        for (found, expected) in cases {
            let failures = boot_failures(&critical, |_| found.clone());
            assert_eq!(failures.first().map(String::as_str), expected);
        }
    }
}
