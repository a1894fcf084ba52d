//! What an app may ask the OS.

use nacre_manifest::component::ComponentId;
use nacre_manifest::device::SystemGrant;

/// Checks that an app's manifest grants what it asks.
///
/// # Errors
/// The text for [`nacre_wire::app::Outcome::Denied`]: what was denied and which line of which manifest would allow it.
pub fn check(app: &ComponentId, granted: &[SystemGrant], asked: SystemGrant) -> Result<(), String> {
    if granted.contains(&asked) {
        return Ok(());
    }
    let name = match asked {
        SystemGrant::Stats => "stats",
        SystemGrant::AppsStatus => "apps-status",
    };
    Err(format!("{name} — add `system: [{name}]` in {}", manifest_file(app)))
}

/// Where a person finds an app's manifest: `recorder/nacre.yaml`.
pub(crate) fn manifest_file(app: &ComponentId) -> String {
    format!("{}/nacre.yaml", app.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grant_missing_is_denied_with_the_line_that_allows_it() {
        let app = "org.nacre.recorder".parse().unwrap();
        assert_eq!(check(&app, &[SystemGrant::Stats], SystemGrant::Stats), Ok(()));
        assert_eq!(
            check(&app, &[SystemGrant::AppsStatus], SystemGrant::Stats),
            Err("stats — add `system: [stats]` in recorder/nacre.yaml".into())
        );
        assert_eq!(
            check(&app, &[], SystemGrant::AppsStatus),
            Err("apps-status — add `system: [apps-status]` in recorder/nacre.yaml".into())
        );
    }
}
