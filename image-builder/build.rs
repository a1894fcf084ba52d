//! Tells `nacre` which sources the launcher of the host has, that belongs to it.

use std::path::Path;

include!("src/host_run/launcher_sources.rs");

fn main() -> std::io::Result<()> {
    let crate_folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let root = Path::new(&crate_folder).parent().unwrap_or(Path::new(".."));
    for name in SOURCES {
        let path = root.join(name);
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    println!("cargo:rustc-env=NACRE_LAUNCHER_SOURCES={}", digest_of_sources(root)?);
    Ok(())
}
