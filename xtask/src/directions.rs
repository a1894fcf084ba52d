//! Who may depend on whom: the table of docs/ARCHITECTURE.md, held against what Cargo knows.

use crate::command::{Failure, cargo, output};

/// A crate and the crates of this workspace that it may use. Cargo refuses cycles; this refuses what
/// would be no cycle and wrong all the same.
const MAY_USE: [(&str, &[&str]); 36] = [
    ("nacre-diag", &[]),
    ("nacre-manifest", &["nacre-diag"]),
    ("nacre-verify", &[]),
    ("nacre-wire", &[]),
    ("nacre-sys", &[]),
    ("nacre-app", &["nacre-sys", "nacre-wire"]),
    ("nacre-seccomp-policy", &[]),
    ("nacre-sandbox", &["nacre-diag", "nacre-manifest", "nacre-sys"]),
    ("nacre-appmgr-core", &["nacre-manifest", "nacre-wire"]),
    ("nacre-app-session", &["nacre-appmgr-core", "nacre-seccomp-policy", "nacre-sys", "nacre-wire"]),
    (
        "nacre-host-launcher",
        &[
            "nacre-app-session",
            "nacre-appmgr-core",
            "nacre-diag",
            "nacre-manifest",
            "nacre-sandbox",
            "nacre-seccomp-policy",
            "nacre-sys",
            "nacre-wire",
        ],
    ),
    (
        "appmgr",
        &[
            "nacre-app-session",
            "nacre-appmgr-core",
            "nacre-diag",
            "nacre-manifest",
            "nacre-sandbox",
            "nacre-seccomp-policy",
            "nacre-sys",
            "nacre-verify",
            "nacre-wire",
        ],
    ),
    ("init", &["nacre-diag", "nacre-sys"]),
    ("nacre-netd-core", &["nacre-manifest", "nacre-wire"]),
    ("netd", &["nacre-diag", "nacre-manifest", "nacre-netd-core", "nacre-sys", "nacre-wire"]),
    ("nacre-kernel-config", &["nacre-diag"]),
    (
        "nacre-image-builder",
        &[
            "nacre-diag",
            "nacre-kernel-config",
            "nacre-manifest",
            "nacre-seccomp-policy",
            "nacre-verify",
            "nacre-wire",
        ],
    ),
    ("panel", &["nacre-app", "recorder"]),
    ("recorder", &["nacre-app"]),
    ("reporter", &["nacre-app", "recorder"]),
    ("xtask", &[]),
    ("nacre-tests", &[]),
    ("fieldprobe", &["nacre-app"]),
    ("nacre-attacker", &["nacre-app", "nacre-manifest"]),
    ("kernel-selftests", &[]),
    ("netprobe", &[]),
    ("probe", &[]),
    ("steps", &["nacre-app"]),
    ("tour", &["nacre-app"]),
    ("nacre-bench", &["nacre-sandbox", "nacre-seccomp-policy", "nacre-sys"]),
    ("crasher", &[]),
    ("hello", &[]),
    ("hog", &[]),
    ("idle", &[]),
    ("meter", &["nacre-manifest", "nacre-sys"]),
    ("nacre-measure-app", &[]),
];

/// Compares the table with the real dependencies, and names each wrong one.
pub(crate) fn check() -> Result<(), Failure> {
    let tree = output(cargo().args([
        "tree",
        "--workspace",
        "--edges",
        "normal",
        "--depth",
        "1",
        "--prefix",
        "depth",
        "--format",
        " {p}",
    ]))
    .ok_or_else(|| Failure::new("`cargo tree` could not be started"))?;
    let wrong = wrong_directions(&tree);
    if wrong.is_empty() { Ok(()) } else { Err(Failure::new(wrong.join("\n"))) }
}

/// Lines of `cargo tree --prefix depth`: `0 crate v1 (path)` begins a crate, `1 …` is what it uses.
fn wrong_directions(tree: &str) -> Vec<String> {
    let names: Vec<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    let mut current: Option<&(&str, &[&str])> = None;
    let mut seen = 0;
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(depth), Some(name)) = (words.next(), words.next()) else { continue };
        if depth == "0" {
            seen += 1;
            current = MAY_USE.iter().find(|(other, _)| *other == name);
            if current.is_none() {
                wrong.push(format!("crate `{name}` is not in the table of xtask/src/directions.rs"));
            }
        } else if let Some((user, allowed)) = current
            && names.contains(&name)
            && !allowed.contains(&name)
        {
            wrong.push(format!(
                "`{user}` must not depend on `{name}`: see docs/ARCHITECTURE.md, crate directions"
            ));
        }
    }
    if seen < MAY_USE.len() {
        wrong.push(format!("`cargo tree` showed {seen} crates, the table has {}", MAY_USE.len()));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All crates of the table, alone.
    fn alone() -> String {
        MAY_USE.iter().map(|(name, _)| format!("0 {name} v0.1.0 (path)\n")).collect()
    }

    #[test]
    fn directions_of_the_workspace_are_those_of_the_table() {
        check().map_err(|error| error.to_string()).unwrap();
    }

    #[test]
    fn directions_wrong_dependency_is_named() {
        let tree = alone() + "0 init v0.1.0 (path)\n1 nacre-sys v0.1.0 (path)\n1 nacre-wire v0.1.0 (path)\n";
        let wrong = wrong_directions(&tree);
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].contains("`init` must not depend on `nacre-wire`"), "{wrong:?}");
    }

    #[test]
    fn directions_unknown_or_missing_crate_is_named() {
        assert!(wrong_directions(&(alone() + "0 stray v0.1.0 (path)\n"))[0].contains("`stray`"));
        assert!(wrong_directions("0 init v0.1.0 (path)\n")[0].contains("showed 1 crates"));
    }
}
