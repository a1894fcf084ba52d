//! The folder that a build makes: filled beside its place, then put there in one step.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::{Exit, Failure, OrFail};
use crate::interrupt::{self, Unfinished};

/// File by which a folder is known as one that a build made.
const MARK: &str = "slot.img";
/// File that `nacre run` holds an exclusive lock on while a VM uses the folder.
pub const LOCK_FILE: &str = "lock";
/// Folder in which `nacre run` keeps the VM's disk.
pub const RUN_FOLDER: &str = "run";

/// Folder for what is needed on the way.
const SCRATCH: &str = "work";

/// What helps when a folder can't be written to.
const ELSEWHERE: &str = "name a folder that you can write to with --out";

/// A build's folder, not in its place yet. What is in its place stays until [`Output::publish`]; if that is
/// never reached, nothing is left behind.
#[derive(Debug)]
pub struct Output {
    target: PathBuf,
    fresh: TempDir,
    /// Dropped after the folder in them.
    made: MadeFolders,
    /// Held as long as the folder is being filled: another build then knows it from a leftover.
    _alive: Locked,
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
            )
            .hint(ELSEWHERE));
        };
        check_target(&target)?;
        drop(lock(&target)?);
        let step = || format!("can't write beside `{}`", target.display());
        let prefix = format!(".{}.new-", name.to_string_lossy());
        let (made, fresh, alive) = interrupt::begin(|| {
            let made = MadeFolders::make(parent)?;
            // Builds begin one after the other: a folder that has no lock yet is then a leftover.
            let beginning = File::open(parent)?;
            let alone = beginning.lock().is_ok();
            remove_leftovers(parent, &prefix, alone);
            let fresh = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)?;
            let alive = File::create(fresh.path().join(LOCK_FILE))?;
            alive.lock()?;
            let unfinished = Unfinished { folder: fresh.path().to_owned(), parents: made.0.clone() };
            Ok::<_, io::Error>(((made, fresh, alive), unfinished))
        })
        .or_fail(Exit::Internal, step)
        .map_err(|failure| failure.hint(ELSEWHERE))?;
        // Others may read what is built, as with any other build.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(fresh.path(), open).or_fail(Exit::Internal, step)?;
        Ok(Self { target, fresh, made, _alive: Locked(alive) })
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
        let target = self.target.clone();
        let step = || format!("can't put the new image at `{}`", target.display());
        match fs::remove_dir_all(self.path().join(SCRATCH)) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e).or_fail(Exit::Internal, step),
            _ => {}
        }
        interrupt::conclude(|| {
            check_target(&self.target)?;
            let in_use = lock(&self.target)?;
            self.exchange().or_fail(Exit::Internal, step)?;
            drop(in_use);
            // With the temporary name goes the old folder, if there was one.
            drop(self.fresh);
            self.made.keep();
            Ok(target.clone())
        })
    }

    fn exchange(&self) -> io::Result<()> {
        if !self.target.exists() {
            return fs::rename(self.fresh.path(), &self.target);
        }
        // One step: whoever looks sees the old folder or the new one, never none.
        let exchange = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
        let here = nix::fcntl::AT_FDCWD;
        match nix::fcntl::renameat2(here, self.fresh.path(), here, &self.target, exchange) {
            Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOSYS) => {
                // The name by which the next build knows it, should this one be killed here.
                let mut name = self.fresh.path().as_os_str().to_owned();
                name.push("-old");
                let aside = PathBuf::from(name);
                fs::rename(&self.target, &aside)?;
                fs::rename(self.fresh.path(), &self.target)?;
                keep_vm_disk(&aside, &self.target);
                let _ = fs::remove_dir_all(aside);
            }
            done => {
                done?;
                keep_vm_disk(self.fresh.path(), &self.target);
            }
        }
        Ok(())
    }
}

/// Folders that were not there before, the innermost last. They go again with a build that fails, unless
/// something else is in them by then.
#[derive(Debug)]
struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    fn make(folder: &Path) -> io::Result<Self> {
        let missing = folder.ancestors().take_while(|path| fs::symlink_metadata(path).is_err());
        let mut made: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        made.reverse();
        let made = Self(made);
        fs::create_dir_all(folder)?;
        Ok(made)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
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
        Err(e) => {
            let exit = if e.kind() == ErrorKind::NotADirectory { Exit::BadInput } else { Exit::Internal };
            let failed = Err(e).or_fail(exit, || format!("can't look at `{}`", target.display()));
            return failed.map_err(|failure| failure.hint(ELSEWHERE));
        }
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

/// A lock that ends when this is dropped, and not only when the last copy of its descriptor is closed: a program
/// that another thread starts at that moment has one until its `execve(2)`.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Takes the lock that a running VM holds, if the folder has one.
fn lock(target: &Path) -> Result<Option<Locked>, Failure> {
    let path = target.join(LOCK_FILE);
    let file = match File::options().read(true).write(true).open(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.or_fail(Exit::Internal, || format!("can't open `{}`", path.display()))?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(Locked(file))),
        Err(_) => Err(Failure::new(Exit::TryAgain, format!("`{}` is in use", target.display()))
            .hint("a VM runs from it (end it: nacre device power-off), or another build is being put there")),
    }
}

/// Removes folders of builds that were killed: those whose lock nobody holds, and, where no other build can be
/// beginning (`alone`), those without a lock.
fn remove_leftovers(parent: &Path, prefix: &str, alone: bool) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(prefix) && path.is_dir();
        if !ours {
            continue;
        }
        let dead = match lock(&path) {
            Ok(Some(_)) => true,
            // Killed at its very beginning or end.
            Ok(None) => alone,
            Err(_) => false,
        };
        if dead {
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
    fn output_not_published_takes_the_folders_made_for_it_along() {
        let folder = tempfile::tempdir().unwrap();
        drop(Output::prepare(&folder.path().join("out/deep/demo")).unwrap());
        assert!(names(folder.path()).is_empty());
        let output = Output::prepare(&folder.path().join("out/deep/demo")).unwrap();
        fs::write(folder.path().join("out/note"), "somebody else's").unwrap();
        drop(output);
        assert_eq!(names(&folder.path().join("out")), ["note"]);
    }

    #[test]
    fn output_below_a_file_is_bad_input() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let failure = Output::prepare(&folder.path().join("file/demo")).unwrap_err();
        assert_eq!(failure.exit(), Exit::BadInput);
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
        let (dead, without_lock) = (folder.path().join(".demo.new-a"), folder.path().join(".demo.new-b"));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK_FILE), "").unwrap();
        fs::create_dir(&without_lock).unwrap();
        let living = Output::prepare(&target).unwrap();
        assert!(!dead.exists() && !without_lock.exists());
        let _second = Output::prepare(&target).unwrap();
        assert!(living.path().exists());
    }
}
