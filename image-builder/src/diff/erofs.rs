//! Files of an app image, unpacked by fsck.erofs. Only images of verified packages are given to it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::tree::{Entry, Tree};
use crate::failure::{Exit, Failure, OrFail};
use crate::programs::{self, Program};

/// Reads all of it.
pub(crate) fn read(image: &[u8]) -> Result<Tree, Failure> {
    let step = || "can't unpack the app's image".to_owned();
    let scratch = tempfile::tempdir().or_fail(Exit::Internal, step)?;
    let (file, folder) = (scratch.path().join("app.img"), scratch.path().join("files"));
    fs::write(&file, image).or_fail(Exit::Internal, step)?;
    let mut unpack = Program::FsckErofs.command()?;
    unpack.arg(format!("--extract={}", folder.display())).args(["--no-preserve-owner", "--preserve-perms"]);
    programs::run(unpack.arg(&file), step)?;
    let mut tree = Tree::new();
    walk(&folder, "/", &mut tree).or_fail(Exit::Internal, step)?;
    Ok(tree)
}

fn walk(folder: &Path, at: &str, tree: &mut Tree) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        let inside = format!("{at}{}", name.to_string_lossy());
        let data = fs::symlink_metadata(&path)?;
        let (mut target, mut content) = (None, Vec::new());
        let kind = if data.is_file() {
            content = fs::read(&path)?;
            "file"
        } else if data.is_dir() {
            walk(&path, &format!("{inside}/"), tree)?;
            "folder"
        } else if data.is_symlink() {
            target = Some(fs::read_link(&path)?.display().to_string());
            "link"
        } else {
            "special file"
        };
        let mode = format!("{:04o}", data.permissions().mode() & 0o7777);
        tree.insert(inside, Entry { kind, mode, owner: None, time: None, target, content });
    }
    Ok(())
}
