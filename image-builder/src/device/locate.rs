//! Which running VM is meant.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::output::RUN_FOLDER;

/// Where `nacre build` puts images when it is not told otherwise.
const OUT: &str = "out";

/// Why no VM was found.
#[derive(Debug, thiserror::Error)]
pub enum LocateDeviceError {
    /// Nothing runs in the given folder.
    #[error("no VM runs from `{0}`")]
    NotRunning(PathBuf),
    /// Nothing runs in any of the usual folders.
    #[error("no VM runs from any folder in `{OUT}`")]
    NoneRunning,
    /// Several run, and none was named.
    #[error("several VMs run: {}", .0.iter().map(|dir| format!("`{}`", dir.display())).collect::<Vec<_>>().join(", "))]
    SeveralRunning(Vec<PathBuf>),
    /// The folder cannot be read, or the socket not be opened.
    #[error("connecting to the VM of `{dir}`")]
    Connect {
        /// The output folder.
        dir: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// The path of the device's socket in an output folder. It is a link: the socket itself is in a folder with
/// a short path, because a socket's path has at most 108 bytes (`unix(7)`).
pub fn socket_link(dir: &Path) -> PathBuf {
    dir.join(RUN_FOLDER).join("device.sock")
}

/// Connects to the VM of `dir`, or to the only one that runs from a folder in `out`.
///
/// # Errors
/// When none runs, or several.
pub fn connect(dir: Option<&Path>) -> Result<(PathBuf, UnixStream), LocateDeviceError> {
    match dir {
        Some(dir) => match connect_to(dir)? {
            Some(stream) => Ok((dir.to_owned(), stream)),
            None => Err(LocateDeviceError::NotRunning(dir.to_owned())),
        },
        None => connect_to_only(Path::new(OUT)),
    }
}

fn connect_to_only(out: &Path) -> Result<(PathBuf, UnixStream), LocateDeviceError> {
    let mut running = Vec::new();
    // A folder that is not there has no VM in it.
    for entry in out.read_dir().into_iter().flatten().flatten() {
        let dir = entry.path();
        if let Some(stream) = connect_to(&dir)? {
            running.push((dir, stream));
        }
    }
    match running.pop() {
        None => Err(LocateDeviceError::NoneRunning),
        Some(only) if running.is_empty() => Ok(only),
        Some((last, _)) => {
            let mut dirs: Vec<PathBuf> = running.into_iter().map(|(dir, _)| dir).chain([last]).collect();
            dirs.sort();
            Err(LocateDeviceError::SeveralRunning(dirs))
        }
    }
}

fn connect_to(dir: &Path) -> Result<Option<UnixStream>, LocateDeviceError> {
    match std::fs::read_link(socket_link(dir)).and_then(UnixStream::connect) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            // What a VM that was killed leaves behind is a link to nothing, or a socket nobody listens on.
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
                Ok(None)
            }
            _ => Err(LocateDeviceError::Connect { dir: dir.to_owned(), source: error }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::net::UnixListener;

    /// A folder in `out` with a VM in it; the listener keeps it running.
    fn vm(out: &Path, sockets: &Path, name: &str) -> UnixListener {
        fs::create_dir_all(out.join(name).join("run")).unwrap();
        let socket = sockets.join(name);
        let listener = UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&socket, socket_link(&out.join(name))).unwrap();
        listener
    }

    #[test]
    fn locate_takes_the_only_running_vm_however_long_its_path_is() {
        let sockets = tempfile::tempdir().unwrap();
        let out = tempfile::tempdir().unwrap();
        let long = out.path().join("x".repeat(200));
        fs::create_dir_all(long.join("built-but-not-running")).unwrap();
        assert!(matches!(connect_to_only(&long), Err(LocateDeviceError::NoneRunning)));
        let _first = vm(&long, sockets.path(), "a");
        assert_eq!(connect_to_only(&long).unwrap().0, long.join("a"));
        let _second = vm(&long, sockets.path(), "b");
        match connect_to_only(&long) {
            Err(LocateDeviceError::SeveralRunning(dirs)) => {
                assert_eq!(dirs, [long.join("a"), long.join("b")])
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(connect(Some(&long.join("b"))).unwrap().0, long.join("b"));
    }

    #[test]
    fn locate_in_a_folder_whose_vm_is_gone_finds_none() {
        let sockets = tempfile::tempdir().unwrap();
        let out = tempfile::tempdir().unwrap();
        drop(vm(out.path(), sockets.path(), "a"));
        let dir = out.path().join("a");
        assert!(matches!(connect(Some(&dir)), Err(LocateDeviceError::NotRunning(_))));
        fs::remove_file(sockets.path().join("a")).unwrap();
        assert!(matches!(connect(Some(&dir)), Err(LocateDeviceError::NotRunning(_))));
        assert!(matches!(connect(Some(&out.path().join("none"))), Err(LocateDeviceError::NotRunning(_))));
    }
}
