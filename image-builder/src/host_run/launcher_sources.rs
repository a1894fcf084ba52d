// What the launcher of the host is made from, inside the checkout. `build.rs` includes this file as well: the launcher
// that `nacre` starts is of the sources that `nacre` was built from, and to know it needs no look at them.

/// Sources and manifests of the launcher and of the crates that it links.
const SOURCES: [&str; 22] = [
    "Cargo.lock",
    "Cargo.toml",
    ".cargo/config.toml",
    "appmgr/core/Cargo.toml",
    "appmgr/core/src",
    "appmgr/session/Cargo.toml",
    "appmgr/session/src",
    "lib/diag/Cargo.toml",
    "lib/diag/src",
    "lib/manifest/Cargo.toml",
    "lib/manifest/src",
    "lib/sys/Cargo.toml",
    "lib/sys/src",
    "lib/wire/Cargo.toml",
    "lib/wire/src",
    "rust-toolchain.toml",
    "sandbox/Cargo.toml",
    "sandbox/host/Cargo.toml",
    "sandbox/host/src",
    "sandbox/policy/Cargo.toml",
    "sandbox/policy/src",
    "sandbox/src",
];

/// A digest of the names and contents of all of them, in hexadecimal.
fn digest_of_sources(root: &std::path::Path) -> std::io::Result<String> {
    use sha2::Digest as _;
    let mut hasher = sha2::Sha256::new();
    for name in SOURCES {
        if root.join(name).exists() {
            add(root, std::path::Path::new(name), &mut hasher)?;
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn add(root: &std::path::Path, name: &std::path::Path, hasher: &mut sha2::Sha256) -> std::io::Result<()> {
    use sha2::Digest as _;
    let path = root.join(name);
    if path.is_dir() {
        let mut inside: Vec<_> = std::fs::read_dir(&path)?.collect::<Result<_, _>>()?;
        inside.sort_by_key(std::fs::DirEntry::file_name);
        return inside.iter().try_for_each(|entry| add(root, &name.join(entry.file_name()), hasher));
    }
    let content = std::fs::read(&path)?;
    for part in [name.as_os_str().as_encoded_bytes(), &content] {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    Ok(())
}
