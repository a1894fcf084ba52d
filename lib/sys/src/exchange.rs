//! `renameat2(2)` with `RENAME_EXCHANGE`: two paths change places in one step.

use std::path::Path;

use nix::NixPath;
use nix::errno::Errno;

/// `RENAME_EXCHANGE` (linux/fs.h).
const EXCHANGE: libc::c_uint = 1 << 1;

/// Makes each of two paths the other one. Whoever looks, after a power cut too, sees both as before or both exchanged.
///
/// # Errors
///
/// `ENOENT` if one of them is not there; `EXDEV` if they are on different filesystems; see renameat2(2).
pub fn exchange(one: &Path, other: &Path) -> Result<(), Errno> {
    let result = one.with_nix_path(|one| {
        other.with_nix_path(|other| {
            let at = libc::AT_FDCWD;
            // SAFETY: the kernel reads two terminated paths, which live for the whole call.
            unsafe { libc::syscall(libc::SYS_renameat2, at, one.as_ptr(), at, other.as_ptr(), EXCHANGE) }
        })
    })??;
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn folders_exchanged_have_each_others_content_and_a_missing_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["a", "b"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("was"), name).unwrap();
        }
        exchange(&at("a"), &at("b")).unwrap();
        assert_eq!(fs::read_to_string(at("a").join("was")).unwrap(), "b");
        assert_eq!(fs::read_to_string(at("b").join("was")).unwrap(), "a");
        assert_eq!(exchange(&at("a"), &at("none")), Err(Errno::ENOENT));
        assert!(at("a").exists());
    }
}
