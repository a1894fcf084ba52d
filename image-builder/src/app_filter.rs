//! The seccomp filter that an app's manifest leads to.

use nacre_manifest::device::Manifest;
use nacre_seccomp_policy::{Arch, CompileFilterError, Denials, Network, Options, compile};

/// Makes the filter for what the manifest grants.
///
/// # Errors
/// When the policy has something that can't be compiled: a fault of this program.
pub fn make(manifest: &Manifest, arch: Arch, denials: Denials) -> Result<Vec<u8>, CompileFilterError> {
    let network = match manifest.network {
        None => Network::Absent,
        Some(_) => Network::Present,
    };
    let options = Options {
        network,
        gpio: !manifest.devices.gpio.is_empty(),
        uart: !manifest.devices.uart.is_empty(),
        writable_executable: manifest.writable_executable,
        denials,
        ..Options::default()
    };
    compile(arch, &options)
}

/// Whether a filter is, to the last instruction, one that this program makes for the manifest. No sentence tells what a
/// filter allows, so that one of another origin is worth a word to whoever is to trust it.
pub fn is_ours(filter: &[u8], manifest: &Manifest, arch: Arch) -> bool {
    [Denials::Error, Denials::Notify, Denials::NotifyAndWatch]
        .into_iter()
        .any(|denials| make(manifest, arch, denials).is_ok_and(|made| made == filter))
}
