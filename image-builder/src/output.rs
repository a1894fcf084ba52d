//! The folder that a build makes: filled beside its place, then put there in one step.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::{Exit, Failure, OrFail};
use crate::interrupt::remember;

/// File by which a folder is known as one that a build made.
const MARK: &str = "slot.img";
/// File that `nacre run` holds an exclusive lock on while a VM uses the folder.
pub const LOCK_FILE: &str = "lock";
/// Folder in which `nacre run` keeps the VM's disk.
pub const RUN_FOLDER: &str = "run";

/// Folder for what is needed on the way.
const SCRATCH: &str = "work";

/// A build's folder, not in its place yet. What is in its place stays until [`Output::publish`]; if that is
/// never reached, nothing is left behind.
#[derive(Debug)]
pub struct Output {
    target: PathBuf,
    fresh: TempDir,
    /// Held as long as the folder is being filled: another build then knows it from a leftover.
    _alive: File,
}

impl Output {
    /// Prepares a folder beside `target`. Refuses a target that is in use or that no build made.
    pub fn prepare(target: &Path) -> Result<Self, Failure> {
        let target = std::path::absolute(target)
            .or_fail(Exit::BadInput, || format!("can't resolve `{}`", target.display()))?;
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(Failure::new(
                Exit::BadInput,
                format!("`{}` can't be an output folder", target.display()),
            ));
        };
        check_target(&target)?;
        drop(lock(&target)?);
        let step = || format!("can't write beside `{}`", target.display());
        fs::create_dir_all(parent).or_fail(Exit::Internal, step)?;
        let prefix = format!(".{}.new-", name.to_string_lossy());
        remove_leftovers(parent, &prefix);
        let fresh =
            tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).or_fail(Exit::Internal, step)?;
        let alive = File::create(fresh.path().join(LOCK_FILE)).or_fail(Exit::Internal, step)?;
        alive.lock().or_fail(Exit::Internal, step)?;
        // Others may read what is built, as with any other build.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(fresh.path(), open).or_fail(Exit::Internal, step)?;
        remember(Some(fresh.path().to_owned()));
        Ok(Self { target, fresh, _alive: alive })
    }

    /// The folder to fill.
    pub fn path(&self) -> &Path {
        self.fresh.path()
    }

    /// An empty folder for what is needed on the way; gone when the rest is published.
    pub fn scratch(&self) -> Result<PathBuf, Failure> {
        let path = self.path().join(SCRATCH);
        fs::create_dir(&path).or_fail(Exit::Internal, || format!("can't make `{}`", path.display()))?;
        Ok(path)
    }

    /// Where it will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Puts the folder in its place and removes what was there.
    pub fn publish(self) -> Result<PathBuf, Failure> {
        let step = || format!("can't put the new image at `{}`", self.target.display());
        match fs::remove_dir_all(self.path().join(SCRATCH)) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e).or_fail(Exit::Internal, step),
            _ => {}
        }
        check_target(&self.target)?;
        let in_use = lock(&self.target)?;
        if self.target.exists() {
            // One step: whoever looks sees the old folder or the new one, never none.
            let exchange = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
            let here = nix::fcntl::AT_FDCWD;
            match nix::fcntl::renameat2(here, self.fresh.path(), here, &self.target, exchange) {
                Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOSYS) => {
                    let aside = self.fresh.path().with_extension("old");
                    fs::rename(&self.target, &aside).or_fail(Exit::Internal, step)?;
                    fs::rename(self.fresh.path(), &self.target).or_fail(Exit::Internal, step)?;
                    keep_vm_disk(&aside, &self.target);
                    let _ = fs::remove_dir_all(aside);
                }
                done => {
                    done.or_fail(Exit::Internal, step)?;
                    keep_vm_disk(self.fresh.path(), &self.target);
                }
            }
        } else {
            fs::rename(self.fresh.path(), &self.target).or_fail(Exit::Internal, step)?;
        }
        drop(in_use);
        remember(None);
        // Dropping `fresh` removes the old folder, which now has the temporary name, if there was one.
        Ok(self.target)
    }
}

/// Hands the VM's disk on to the new folder: `nacre run` goes on with it when the built disk is the same.
fn keep_vm_disk(old: &Path, new: &Path) {
    // There is none before the first run; one that cannot be moved is made again.
    let _ = fs::rename(old.join(RUN_FOLDER), new.join(RUN_FOLDER));
}

fn check_target(target: &Path) -> Result<(), Failure> {
    let refuse = |why: &str| {
        Err(Failure::new(Exit::Refused, format!("`{}` {why}", target.display()))
            .hint("name another folder with --out, or move this one away"))
    };
    match fs::symlink_metadata(target) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).or_fail(Exit::Internal, || format!("can't look at `{}`", target.display())),
        Ok(found) if !found.is_dir() => return refuse("is there and is no folder"),
        Ok(_) => {}
    }
    let mut entries =
        fs::read_dir(target).or_fail(Exit::Internal, || format!("can't read `{}`", target.display()))?;
    if entries.next().is_some() && !target.join(MARK).is_file() {
        return refuse("is there and was not made by `nacre build`");
    }
    Ok(())
}

/// Takes the lock that a running VM holds, if the folder has one.
fn lock(target: &Path) -> Result<Option<File>, Failure> {
    let path = target.join(LOCK_FILE);
    let file = match File::options().read(true).write(true).open(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.or_fail(Exit::Internal, || format!("can't open `{}`", path.display()))?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(_) => Err(Failure::new(Exit::TryAgain, format!("`{}` is in use", target.display()))
            .hint("a VM runs from it (end it: nacre device power-off), or another build is being put there")),
    }
}

/// Removes folders of builds that were killed.
fn remove_leftovers(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(prefix) && path.is_dir();
        // No lock file yet: a build that is just beginning.
        if ours && let Ok(Some(_)) = lock(&path) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn build(target: &Path, content: &str) -> Result<PathBuf, Failure> {
        let output = Output::prepare(target)?;
        fs::write(output.path().join(MARK), content).unwrap();
        fs::write(output.scratch().unwrap().join("object"), content).unwrap();
        output.publish()
    }

    #[test]
    fn output_published_twice_has_the_second_and_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out/demo");
        build(&target, "one").unwrap();
        build(&target, "two").unwrap();
        assert_eq!(fs::read_to_string(target.join(MARK)).unwrap(), "two");
        assert_eq!(names(&folder.path().join("out")), ["demo"]);
        assert_eq!(names(&target), [LOCK_FILE, MARK]);
    }

    #[test]
    fn output_published_again_keeps_the_disk_of_the_vm() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("demo");
        build(&target, "one").unwrap();
        fs::create_dir(target.join(RUN_FOLDER)).unwrap();
        fs::write(target.join(RUN_FOLDER).join("disk.img"), "data").unwrap();
        build(&target, "two").unwrap();
        assert_eq!(fs::read_to_string(target.join("run/disk.img")).unwrap(), "data");
        assert_eq!(fs::read_to_string(target.join(MARK)).unwrap(), "two");
    }

    #[test]
    fn output_not_published_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("demo");
        build(&target, "one").unwrap();
        let output = Output::prepare(&target).unwrap();
        fs::write(output.path().join(MARK), "half").unwrap();
        drop(output);
        assert_eq!(fs::read_to_string(target.join(MARK)).unwrap(), "one");
        assert_eq!(names(folder.path()), ["demo"]);
    }

    #[test]
    fn output_in_use_is_refused_before_and_after_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("demo");
        build(&target, "one").unwrap();
        let unfinished = Output::prepare(&target).unwrap();
        let vm = File::create(target.join(LOCK_FILE)).unwrap();
        vm.lock().unwrap();
        assert_eq!(Output::prepare(&target).unwrap_err().exit(), Exit::TryAgain);
        assert_eq!(unfinished.publish().unwrap_err().exit(), Exit::TryAgain);
        assert_eq!(fs::read_to_string(target.join(MARK)).unwrap(), "one");
    }

    #[test]
    fn output_over_a_folder_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.tex"), "x").unwrap();
        assert_eq!(Output::prepare(folder.path()).unwrap_err().exit(), Exit::Refused);
        let file = folder.path().join("thesis.tex");
        assert_eq!(Output::prepare(&file).unwrap_err().exit(), Exit::Refused);
    }

    #[test]
    fn output_of_a_killed_build_is_removed_and_of_a_living_one_kept() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("demo");
        let dead = folder.path().join(".demo.new-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK_FILE), "").unwrap();
        let living = Output::prepare(&target).unwrap();
        assert!(!dead.exists());
        let _second = Output::prepare(&target).unwrap();
        assert!(living.path().exists());
    }
}
