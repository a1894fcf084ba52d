//! The top of the cgroup v2 tree (kernel: `admin-guide/cgroup-v2.rst`): controllers, and a group for the app manager.
//!
//! The app manager is born in its group: neither it nor what it is charged with has to be moved there.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Where the tree is mounted.
pub(crate) const ROOT: &str = "/sys/fs/cgroup";
/// Controllers of the groups below the root: those of the app manager, of netd and of all apps.
const CONTROLLERS: &str = "+memory +pids +cpu";
/// The app manager's group.
const SYSTEM: &str = "system";

/// A step towards the app manager's group that failed.
#[derive(Debug, thiserror::Error)]
#[error("{step}")]
pub(crate) struct CgroupError {
    step: &'static str,
    source: io::Error,
}

/// Turns the controllers on and makes the group, in this order: a group that has processes would have to give them to
/// other controllers.
pub(crate) fn prepare(root: &Path) -> Result<(), CgroupError> {
    let failed = |step| move |source| CgroupError { step, source };
    let controllers = root.join("cgroup.subtree_control");
    fs::write(controllers, CONTROLLERS).map_err(failed("turn on the controllers"))?;
    fs::create_dir(root.join(SYSTEM)).map_err(failed("make the app manager's group"))
}

/// The group's folder, for starting a process in it.
pub(crate) fn open(root: &Path) -> Result<File, CgroupError> {
    let open = File::open(root.join(SYSTEM));
    open.map_err(|source| CgroupError { step: "open the app manager's group", source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_prepared_has_controllers_and_a_group_to_open() {
        let root = std::env::temp_dir().join(format!("nacre-init-cgroups-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        assert_eq!(open(&root).unwrap_err().to_string(), "open the app manager's group");
        prepare(&root).unwrap();
        assert_eq!(fs::read_to_string(root.join("cgroup.subtree_control")).unwrap(), CONTROLLERS);
        assert!(open(&root).unwrap().metadata().unwrap().is_dir());
        assert_eq!(prepare(&root).unwrap_err().to_string(), "make the app manager's group");
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(prepare(&root).unwrap_err().to_string(), "turn on the controllers");
    }
}
