//! What the apps of one image say about each other.

use std::collections::BTreeMap;

use nacre_diag::{Diagnostic, ExitCode, Report};

use super::AppSource;
use crate::component::ComponentId;

/// Checks the apps of one image against each other: no component id twice, and who lists a peer is listed
/// by it.
///
/// # Errors
/// Each breach (exit code 65), at the entry that makes it.
pub fn check_peers(apps: &[AppSource]) -> Result<(), Report> {
    let mut report = Report::new();
    let mut by_id: BTreeMap<&ComponentId, &AppSource> = BTreeMap::new();
    for app in apps {
        let id = &app.manifest.app;
        if let Some(first) = by_id.get(id) {
            let message = format!("two apps of this image are called `{id}`");
            let found = Diagnostic::error(ExitCode::BadInput, message)
                .at(app.places.app.clone())
                .with_cause(format!("the other one is {}", first.places.app))
                .with_hint("give one of them another id");
            report.push(found);
        } else {
            by_id.insert(id, app);
        }
    }
    for app in apps {
        for (index, peer) in app.manifest.peers.iter().enumerate() {
            let hint = match by_id.get(peer) {
                None => "add it to the image's recipe, or remove it here".to_owned(),
                Some(other) if !other.manifest.peers.contains(&app.manifest.app) => {
                    format!(
                        "both sides must say so: add `{}` under `apps` in {}",
                        app.manifest.app, other.file
                    )
                }
                Some(_) => continue,
            };
            let message = if by_id.contains_key(peer) {
                format!("`{peer}` does not list `{}` under `apps`", app.manifest.app)
            } else {
                format!("no app of this image is called `{peer}`")
            };
            let found = Diagnostic::error(ExitCode::BadInput, message).with_hint(hint);
            report.push(match app.places.peers.get(index) {
                Some(place) => found.at(place.clone()),
                None => found,
            });
        }
    }
    report.or(())
}
