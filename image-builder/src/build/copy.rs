//! A fresh copy of an app's folder, for a command that may do in it as it likes.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::failure::{Exit, Failure, OrFail};

/// When every file of the copy was last changed, in seconds since 1970: the first moment of 1980, before which a zip
/// archive knows no time.
pub(super) const TIME: u64 = 315_532_800;

/// Files and folders of an app.
const MOST: usize = 20_000;

/// Folders below another one.
const DEEPEST: usize = 64;

/// What no build needs: histories, and what builds of ours leave.
const LEFT_OUT: [&str; 5] = [".git", ".hg", ".svn", ".nacre", "out"];

/// By this file in it a folder is known as one that a program made and can make again (cargo's `target`).
const MADE: &str = "CACHEDIR.TAG";

/// Copies a folder. Modes stay, times become [`TIME`], links stay links.
///
/// # Errors
/// 65 if there is something else in it than files, folders and links, or too much.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut left = MOST;
    copy_folder(from, to, DEEPEST, &mut left)
}

fn copy_folder(from: &Path, to: &Path, depth: usize, left: &mut usize) -> Result<(), Failure> {
    let step = || format!("can't copy `{}`", from.display());
    let too_much = || {
        Failure::new(Exit::BadInput, format!("can't copy `{}`: there is too much in it", from.display()))
            .hint(format!("the folder of an app has at most {MOST} files, {DEEPEST} folders deep; {MADE} in a folder leaves it out"))
    };
    let depth = depth.checked_sub(1).ok_or_else(too_much)?;
    fs::create_dir_all(to).or_fail(Exit::Internal, step)?;
    for entry in fs::read_dir(from).or_fail(Exit::NotFound, step)? {
        let entry = entry.or_fail(Exit::Internal, step)?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        *left = left.checked_sub(1).ok_or_else(too_much)?;
        let (from, to) = (entry.path(), to.join(&name));
        let kind = entry.file_type().or_fail(Exit::Internal, step)?;
        if kind.is_dir() {
            if !from.join(MADE).exists() {
                copy_folder(&from, &to, depth, left)?;
            }
        } else if kind.is_symlink() {
            let target = fs::read_link(&from).or_fail(Exit::Internal, step)?;
            std::os::unix::fs::symlink(target, &to).or_fail(Exit::Internal, step)?;
        } else if kind.is_file() {
            fs::copy(&from, &to).or_fail(Exit::Internal, step)?;
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(TIME);
            // A file that may only be read has its time set all the same: it is ours.
            let set = File::open(&to).and_then(|file| file.set_times(FileTimes::new().set_modified(time)));
            set.or_fail(Exit::Internal, step)?;
        } else {
            let what = format!("`{}` is neither a file, nor a folder, nor a link", from.display());
            return Err(
                Failure::new(Exit::BadInput, what).hint("an app's folder has its sources in it: remove it")
            );
        }
    }
    Ok(())
}

/// When the last change was in what a copy would have; nothing if that can't be told.
pub(crate) fn newest_change(folder: &Path) -> Option<SystemTime> {
    let mut newest = fs::metadata(folder).ok()?.modified().ok()?;
    let mut folders = vec![folder.to_owned()];
    let mut left = MOST;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).ok()? {
            let entry = entry.ok()?;
            left = left.checked_sub(1)?;
            if LEFT_OUT.iter().any(|left_out| entry.file_name() == *left_out) {
                continue;
            }
            let metadata = entry.metadata().ok()?;
            if metadata.is_dir() {
                if !entry.path().join(MADE).exists() {
                    folders.push(entry.path());
                    newest = newest.max(metadata.modified().ok()?);
                }
            } else {
                newest = newest.max(metadata.modified().ok()?);
            }
        }
    }
    Some(newest)
}
