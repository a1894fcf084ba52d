//! An app's filesystem image: EROFS with the tree that the device expects, always the same for the same
//! files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::failure::{Exit, Failure, OrFail};
use crate::programs::{self, Program};

/// Compression and its clusters: 20 % less flash for no RAM that could be measured (docs/adr/0001).
const COMPRESSION: [&str; 2] = ["-zlz4hc,12", "-C16384"];
/// Every image has this UUID: what tells packages apart is their digest.
const UUID: &str = "6e616372-6500-8000-8000-0000000000e0";
/// Empty folders on which the launcher mounts.
const MOUNT_POINTS: [&str; 5] = ["data", "dev", "proc", "run", "tmp"];
/// Empty file on which the launcher binds the app manager's socket.
const SOCKET: &str = "run/nacre";

/// One file of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Absolute path in the image: below `/app`, but for what the builder puts there.
    pub path: String,
    /// Whether it may be executed.
    pub program: bool,
    /// Content.
    pub content: Vec<u8>,
}

/// Makes the image; `scratch` is an empty folder for this app alone.
pub fn make(files: &[ImageFile], scratch: &Path) -> Result<Vec<u8>, Failure> {
    let step = || "can't make the app's filesystem".to_owned();
    let tree = scratch.join("tree");
    stage(files, &tree).or_fail(Exit::Internal, step)?;
    let image = scratch.join("app.img");
    let mut make = Program::MkfsErofs.command()?;
    // Time, owner, UUID and attributes of the building machine stay out.
    make.args(["--quiet", "-T0", "--all-root", "-x-1", "-U", UUID]);
    make.args(COMPRESSION).arg(&image).arg(&tree);
    programs::run(&mut make, step)?;
    fs::read(&image).or_fail(Exit::Internal, step)
}

/// Writes the tree with exact modes, whatever the umask.
fn stage(files: &[ImageFile], tree: &Path) -> std::io::Result<()> {
    let mut folders: BTreeSet<&Path> = MOUNT_POINTS.iter().map(Path::new).collect();
    folders.insert(Path::new(""));
    folders.insert(Path::new("app"));
    for file in files {
        let relative = Path::new(file.path.trim_start_matches('/'));
        folders.extend(relative.ancestors().skip(1));
    }
    for folder in folders {
        let path = tree.join(folder);
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    let write = |relative: &str, content: &[u8], mode: u32| {
        let path = tree.join(relative);
        fs::write(&path, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
    };
    write(SOCKET, b"", 0o644)?;
    files.iter().try_for_each(|file| {
        write(file.path.trim_start_matches('/'), &file.content, if file.program { 0o755 } else { 0o644 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<ImageFile> {
        vec![
            ImageFile { path: "/app/bin/x".into(), program: true, content: vec![3; 70_000] },
            ImageFile {
                path: "/app/share/deep/table.csv".into(),
                program: false,
                content: b"1,2\n".to_vec(),
            },
        ]
    }

    #[test]
    fn app_image_twice_is_the_same() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut turned = files();
        turned.reverse();
        let first = make(&files(), one.path()).unwrap();
        assert_eq!(first, make(&turned, two.path()).unwrap());
        assert_eq!(&first[1024..1028], &0xe0f5_e1e2u32.to_le_bytes(), "EROFS magic");
    }

    #[test]
    fn staged_tree_has_mount_points_and_modes() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        stage(&files(), &tree).unwrap();
        let mode = |path: &str| fs::metadata(tree.join(path)).unwrap().permissions().mode();
        for folder in ["data", "dev", "proc", "run", "tmp", "app", "app/bin", "app/share/deep"] {
            assert_eq!(mode(folder), 0o040_755, "{folder}");
        }
        assert_eq!(mode("app/bin/x"), 0o100_755);
        assert_eq!(mode("app/share/deep/table.csv"), 0o100_644);
        assert_eq!(fs::metadata(tree.join("run/nacre")).unwrap().len(), 0);
    }
}
