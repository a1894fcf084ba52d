//! Tests of finding and unpacking sources.

use std::path::Path;

use nacre_diag::{ExitCode, Report};

use super::*;
use crate::hash::file_sha256;
use crate::lock::LockedSource;

fn tarball(dir: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(dir.join("linux/kernel"))?;
    std::fs::write(dir.join("linux/kernel/file"), "content")?;
    let path = dir.join("linux.tar");
    let packed = Command::new("tar").arg("-cf").arg(&path).arg("-C").arg(dir).arg("linux").status()?;
    assert!(packed.success());
    Ok(path)
}

fn source(dir: &Path, entries: &[(&str, &str)]) -> Source {
    let sources = entries.iter().map(|(path, sha256)| LockedSource {
        version: "1.2.3".to_owned(),
        sha256: (*sha256).to_owned(),
        origin: Origin::Tarball { path: PathBuf::from(path) },
    });
    let lock = Lock { accept_newer_package: true, sources: sources.collect() };
    Source { lock, lock_path: dir.join("kernel.lock") }
}

#[test]
fn source_with_the_pinned_hash_is_unpacked_once() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let sha256 = file_sha256(&tarball(dir.path())?)?;
    let other = "0".repeat(64);
    let source = source(dir.path(), &[("absent.tar", &other), ("linux.tar", &other), ("linux.tar", &sha256)]);
    let resolved = source.resolve(dir.path())?;
    assert_eq!((resolved.sha256.as_str(), resolved.version.as_str()), (sha256.as_str(), "1.2.3"));
    assert_eq!(resolved.warning, None);
    let cache = KernelCache::new(dir.path());
    let tree = unpack(&resolved, &cache, &Progress::silent())?;
    assert_eq!(std::fs::read_to_string(tree.join("kernel/file"))?, "content");
    std::fs::remove_file(&resolved.tarball)?;
    assert_eq!(unpack(&resolved, &cache, &Progress::silent())?, tree);
    Ok(())
}

#[test]
fn source_with_another_hash_is_refused_with_both() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let got = file_sha256(&tarball(dir.path())?)?;
    let pinned = "0".repeat(64);
    let error = match source(dir.path(), &[("linux.tar", &pinned)]).resolve(dir.path()) {
        Err(error) => error,
        Ok(resolved) => panic!("accepted {resolved:?}"),
    };
    let report = Report::from(&error);
    assert_eq!(report.exit_code(), ExitCode::BadInput);
    let text = error.to_string();
    assert!(text.contains(&pinned) && text.contains(&got), "{text}");
    assert!(
        report.entries().iter().any(|found| found.hints.iter().any(|hint| hint.contains("nacre kernel pin")))
    );
    Ok(())
}

#[test]
fn source_of_a_missing_package_names_the_package() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let mut source = source(dir.path(), &[("x", &"0".repeat(64))]);
    if let Some(entry) = source.lock.sources.first_mut() {
        entry.origin =
            Origin::DebianPackage { name: "linux-source-0.1".to_owned(), version: "0.1-1".to_owned() };
    }
    let error = match source.resolve(dir.path()) {
        Err(error) => error,
        Ok(resolved) => panic!("accepted {resolved:?}"),
    };
    let report = Report::from(&error);
    assert_eq!(report.exit_code(), ExitCode::NotFound);
    assert_eq!(error.to_string(), "the kernel source /usr/src/linux-source-0.1.tar.xz is not there");
    let hints: Vec<&String> = report.entries().iter().flat_map(|found| &found.hints).collect();
    assert_eq!(hints, ["on Debian: apt-get install linux-source-0.1"]);
    Ok(())
}

#[test]
fn source_that_is_no_tarball_leaves_nothing_behind() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("linux.tar");
    std::fs::write(&path, "no tarball")?;
    let sha256 = file_sha256(&path)?;
    let resolved = source(dir.path(), &[("linux.tar", &sha256)]).resolve(dir.path())?;
    let cache = KernelCache::new(dir.path());
    let refused = unpack(&resolved, &cache, &Progress::silent());
    assert!(matches!(refused, Err(UnpackSourceError::Tar { .. })), "{refused:?}");
    assert!(!cache.source(&sha256).exists());
    assert_eq!(std::fs::read_dir(dir.path().join("kernel/work"))?.count(), 0);
    Ok(())
}

#[test]
fn unpacking_when_asked_to_stop_leaves_nothing_behind() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    // tar waits for the other end of the pipe, so it is still running when it is to be ended.
    let path = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status()?.success());
    let resolved =
        ResolvedSource { tarball: path, sha256: "0".repeat(64), version: String::new(), warning: None };
    let cancel = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let cache = KernelCache::new(dir.path());
    let ended = unpack(&resolved, &cache, &Progress::silent().with_cancel(cancel));
    assert!(matches!(ended, Err(UnpackSourceError::Cancelled)), "{ended:?}");
    assert!(!cache.source(&resolved.sha256).exists());
    Ok(())
}

#[test]
fn upstream_version_is_cut_out_of_a_package_version() {
    for (package, upstream) in [("6.12.117-1~deb12u1", "6.12.117"), ("1:6.1-2-3", "6.1-2"), ("6.12", "6.12")]
    {
        assert_eq!(upstream_version(package), upstream);
    }
}

/// A lock of the installed package as if another version of it were pinned.
fn package_lock(version: &str, accept_newer_package: bool) -> Source {
    let name = "linux-source-6.12".to_owned();
    let origin = Origin::DebianPackage { name, version: version.to_owned() };
    let pinned = LockedSource { version: "0".to_owned(), sha256: "0".repeat(64), origin };
    Source {
        lock: Lock { accept_newer_package, sources: vec![pinned] },
        lock_path: PathBuf::from("kernel.lock"),
    }
}

#[test]
fn source_of_a_newer_package_is_taken_only_if_the_lock_says_so() -> Result<(), Box<dyn std::error::Error>> {
    let installed = installed_version("linux-source-6.12")
        .ok_or("linux-source-6.12 is not installed: `cargo xtask setup` installs it")?;
    let dir = tempfile::tempdir()?;
    let newer = package_lock("6.12.1-1", true).resolve(dir.path())?;
    assert_eq!(newer.version, upstream_version(&installed));
    assert!(
        newer.warning.is_some_and(|warning| warning.contains(&installed) && warning.contains("6.12.1-1"))
    );
    for (version, accept) in [("6.12.1-1", false), (installed.as_str(), true), ("99.0-1", true)] {
        let refused = package_lock(version, accept).resolve(dir.path());
        assert!(
            matches!(refused, Err(ResolveSourceError::WrongHash { .. })),
            "{version} {accept}: {refused:?}"
        );
    }
    Ok(())
}
