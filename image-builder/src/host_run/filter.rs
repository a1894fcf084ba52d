//! The filter of an app on this machine. It is the same for all apps with the same grants, and takes longer to make than
//! an app to start, so it is kept.

use std::fs;
use std::io::Write as _;

use nacre_manifest::device::Manifest;
use nacre_seccomp_policy::{Arch, Denials};
use nacre_verify::digest::Digest;

use crate::app_filter;
use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};

/// Length of a digest, in bytes.
const DIGEST: usize = 32;

/// As in a development image: what Landlock and the mounts deny is explained too.
pub(super) fn of(manifest: &Manifest) -> Result<Vec<u8>, Failure> {
    let make = || {
        app_filter::make(manifest, Arch::X86_64, Denials::NotifyAndWatch)
            .or_fail(Exit::Internal, || "can't make the app's filter".to_owned())
    };
    let Some(program) = std::env::current_exe().ok().and_then(|path| fs::metadata(path).ok()) else {
        return make();
    };
    let key = format!(
        "{:?} {} {} {} {} {}",
        program.modified().ok(),
        program.len(),
        manifest.network.is_some(),
        manifest.devices.gpio.is_empty(),
        manifest.devices.uart.is_empty(),
        manifest.writable_executable,
    );
    let folder = Cache::open()?.place("host/filters");
    let path = folder.join(Digest::of(key.as_bytes()).to_string());
    // A filter that lost its end would deny less: it has its digest before it.
    let kept = fs::read(&path).unwrap_or_default();
    if let Some((digest, filter)) = kept.split_at_checked(DIGEST)
        && Digest::of(filter).as_bytes() == digest
    {
        return Ok(filter.to_vec());
    }
    let filter = make()?;
    let step = || format!("can't write to `{}`", folder.display());
    fs::create_dir_all(&folder).or_fail(Exit::Internal, step)?;
    let mut fresh = tempfile::NamedTempFile::new_in(&folder).or_fail(Exit::Internal, step)?;
    let whole = [Digest::of(&filter).as_bytes().as_slice(), &filter].concat();
    fresh.write_all(&whole).or_fail(Exit::Internal, step)?;
    fresh.persist(&path).or_fail(Exit::Internal, step)?;
    Ok(filter)
}
