//! Files of the data partition: anybody may have written it while the device was off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nacre_sys::file::{Kind, names, status, status_of};
use nix::fcntl::OFlag;

/// Opens a regular file for reading. A link in its place could lead to a device, and a FIFO would keep the
/// app manager waiting for a writer for ever.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    if status_of(&file)?.kind == Kind::File {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// Writes a file of a folder so that a power cut leaves the old one or the new one. Only root reads it.
pub(crate) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.new"));
    // What an interrupted attempt left, or a link that leads elsewhere.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create(&temporary, 0o600)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    sync_folder(folder)
}

/// Makes a file that is not there yet.
pub(crate) fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// What was renamed in a folder stays so after a power cut.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Deepest folder that is looked into: far deeper than an app's quota of files allows.
const DEEPEST: usize = 1024;

/// Removes whatever is at a path, links as links; that nothing is there is fine. Nobody else changes it meanwhile.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    remove_below(path, DEEPEST)
}

fn remove_below(path: &Path, depth: usize) -> io::Result<()> {
    match status(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.kind == Kind::Folder => {
            let depth = depth.checked_sub(1).ok_or(io::ErrorKind::InvalidInput)?;
            for name in names(path)? {
                remove_below(&path.join(name), depth)?;
            }
            fs::remove_dir(path)
        }
        Ok(_) => fs::remove_file(path),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn open_anything_but_a_regular_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "x").unwrap();
        mkfifo(&at("fifo"), Mode::from_bits_truncate(0o600)).unwrap();
        symlink(at("file"), at("link")).unwrap();
        assert!(open(&at("file")).is_ok());
        for name in ["fifo", "link", "none", "."] {
            assert!(open(&at(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn replace_leaves_the_new_content_and_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        // An interrupted attempt left a link where the new file is made.
        symlink(dir.path().join("elsewhere"), dir.path().join("x.new")).unwrap();
        for content in ["one", "another"] {
            replace(dir.path(), "x", content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(dir.path().join("x")).unwrap(), content);
        }
        assert_eq!(names(dir.path()).unwrap(), ["x"]);
    }

    #[test]
    fn remove_tree_takes_links_and_not_what_they_lead_to() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("gone/a/b")).unwrap();
        fs::create_dir(at("kept")).unwrap();
        for file in ["gone/a/b/file", "gone/file", "kept/file"] {
            fs::write(at(file), "x").unwrap();
        }
        symlink(at("kept"), at("gone/a/link")).unwrap();
        remove_tree(&at("gone")).unwrap();
        assert!(!at("gone").exists() && at("kept/file").exists());
        remove_tree(&at("gone")).unwrap();
        symlink(at("kept"), at("link")).unwrap();
        remove_tree(&at("link")).unwrap();
        assert!(!at("link").is_symlink() && at("kept/file").exists());
    }
}
