//! One app: from its folder to the signed package.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nacre_diag::{Diagnostic, Place, Report};
use nacre_manifest::app::{AppSource, BIN_FOLDER, Build};
use nacre_manifest::device::{self, Network};
use nacre_seccomp_policy::Denials;
use nacre_verify::digest::Digest;
use nacre_verify::key::{PublicKey, SigningKey};
use nacre_verify::package::{self, Payload};

use super::compile::Maker;
use super::length;
use crate::app_filter;
use crate::app_image::{self, ImageFile};
use crate::app_project::unused;
use crate::data_image::Entry;
use crate::elf::{self, CodeMemory};
use crate::failure::{Exit, Failure, OrFail};
use crate::sizes::{AppSize, FileSize};
use crate::toolchain::Architecture;

/// A signed app package.
#[derive(Debug)]
pub struct Package {
    /// Component id.
    pub component: String,
    /// Version for people.
    pub version: String,
    /// The file that travels.
    pub archive: Vec<u8>,
    signed: Vec<u8>,
    image: Vec<u8>,
    files: Vec<FileSize>,
    unused: Report,
}

/// What apps are built with.
#[derive(Debug)]
pub struct Packer<'a> {
    /// Makes the programs.
    pub maker: Maker<'a>,
    /// What makes a package of them.
    pub seal: Seal<'a>,
}

/// What programs and files become a signed package with.
#[derive(Debug, Clone, Copy)]
pub struct Seal<'a> {
    /// What the programs are for.
    pub architecture: &'static Architecture,
    /// What becomes of the app's denied calls.
    pub denials: Denials,
    /// Signs it.
    pub key: &'a SigningKey,
    /// The app keys of the image.
    pub trusted: &'a [PublicKey],
    /// A folder for what is needed on the way.
    pub scratch: &'a Path,
}

/// A program by its name in `/app/bin`.
pub type Programs = BTreeMap<String, Vec<u8>>;

impl Package {
    /// Builds, packs and signs an app.
    pub fn build(app: &AppSource, packer: &Packer) -> Result<Self, Failure> {
        let scratch = packer.seal.scratch.join(app.manifest.app.as_str());
        Self::pack(app, packer.maker.compile(app, &scratch)?, &packer.seal)
    }

    /// Packs and signs programs that are there, beside what the manifest lists under `files`.
    pub fn pack(app: &AppSource, programs: Programs, seal: &Seal) -> Result<Self, Failure> {
        let id = app.manifest.app.as_str();
        let scratch = seal.scratch.join(id);
        let mut files = files(app, programs, seal.architecture)?;
        let unused = unused::find(app, files.values().map(|(_, content)| content.as_slice()), "the package");
        files.extend(resolver(app.manifest.network.as_ref()));
        let files: Vec<ImageFile> = files
            .into_iter()
            .map(|(path, (program, content))| ImageFile { path, program, content })
            .collect();
        fs::create_dir_all(&scratch)
            .or_fail(Exit::Internal, || format!("can't make `{}`", scratch.display()))?;
        let image = app_image::make(&files, &scratch)?;
        let (signed, archive) = sign(app, seal, &image)?;
        Ok(Self {
            component: id.to_owned(),
            version: app.manifest.version.clone(),
            archive,
            signed,
            image,
            unused,
            files: files.into_iter().map(|f| FileSize { path: f.path, bytes: length(&f.content) }).collect(),
        })
    }

    /// Its sizes.
    pub fn size(&self) -> AppSize {
        AppSize {
            app: self.component.clone(),
            version: self.version.clone(),
            package_bytes: length(&self.archive),
            image_bytes: length(&self.image),
            files: self.files.clone(),
        }
    }

    /// What its manifest asks for and its files don't seem to use.
    pub fn unused(&self) -> &Report {
        &self.unused
    }

    /// Its entries on the data partition, as if it had been installed.
    pub fn on_data(&self, scratch: &Path) -> Result<Vec<(String, Entry)>, Failure> {
        let folder = format!("packages/{}", self.component);
        let mut entries = vec![(folder.clone(), Entry::Folder(0o755))];
        for (name, content) in
            [(package::MANIFEST_MEMBER, &self.signed), (package::IMAGE_MEMBER, &self.image)]
        {
            let path = scratch.join(format!("{}.{name}", self.component));
            fs::write(&path, content)
                .or_fail(Exit::Internal, || format!("can't write `{}`", path.display()))?;
            let entry = match name {
                // Else the device would hash it at its first start, and write the tree.
                package::IMAGE_MEMBER => Entry::Verified(0o644, path),
                _ => Entry::File(0o644, path),
            };
            entries.push((format!("{folder}/{name}"), entry));
        }
        Ok(entries)
    }
}

/// The C library's resolver reads it (`resolv.conf(5)`).
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What an app needs that has names to look up: the OS answers, and nobody else can be asked.
fn resolver(network: Option<&Network>) -> Files {
    let mut files = Files::new();
    if network.is_some_and(Network::has_names) {
        let router = std::net::Ipv4Addr::from(nacre_manifest::apps_network::ROUTER);
        files.insert(RESOLV_CONF.to_owned(), (false, format!("nameserver {router}\n").into_bytes()));
    }
    files
}

/// Path in the image to (is a program, content).
pub type Files = BTreeMap<String, (bool, Vec<u8>)>;

/// The files of an app: its programs, and those that are packed as they are.
///
/// # Errors
/// When two are for one place, or a program can't run on the board.
pub fn files(app: &AppSource, programs: Programs, architecture: &Architecture) -> Result<Files, Failure> {
    let mut files: Files = programs
        .into_iter()
        .map(|(name, content)| (format!("{BIN_FOLDER}/{name}"), (true, content)))
        .collect();
    for (path, listed) in listed(app)? {
        if files.contains_key(&path) {
            let what = format!("`files`: the build makes `{path}` already");
            let place = app.files.iter().find(|f| f.image_path == path).map(|f| f.place.clone());
            let place = place.unwrap_or_else(|| app.places.build.clone());
            let hint = "give the file another name, or remove it here";
            return Err(Diagnostic::error(Exit::BadInput, what).at(place).with_hint(hint).into());
        }
        files.insert(path, listed);
    }
    check_program(app, architecture, &files)?;
    Ok(files)
}

/// The files that are packed as they are.
fn listed(app: &AppSource) -> Result<Files, Failure> {
    app.files
        .iter()
        .map(|file| {
            let source = app.folder.join(&file.source);
            let content =
                fs::read(&source).or_fail(Exit::NotFound, || format!("can't read `{}`", source.display()))?;
            Ok((file.image_path.clone(), (file.is_program(), content)))
        })
        .collect()
}

/// Finds early, before anything long begins, what is wrong with an app that isn't built from sources.
pub(super) fn check_listed(app: &AppSource, architecture: &Architecture) -> Result<(), Failure> {
    match app.build {
        Build::Cargo { .. } | Build::C | Build::Command(_) => Ok(()),
        Build::None => check_program(app, architecture, &listed(app)?),
    }
}

/// Checks that `run[0]` is there and that every program in the image can run on the board.
fn check_program(app: &AppSource, architecture: &Architecture, files: &Files) -> Result<(), Failure> {
    let wanted = architecture.elf;
    let refuse = |exit, what: String, place: &Place| Diagnostic::error(exit, what).at(place.clone());
    let place = &app.places.program;
    let program_path = app.program();
    let Some((program, content)) = files.get(program_path) else {
        let there: Vec<&str> = files.iter().filter(|(_, f)| f.0).map(|(path, _)| path.as_str()).collect();
        let hint = match there.as_slice() {
            [] => "no program is made or listed under `files`".to_owned(),
            there => format!("programs in this app: {}", there.join(", ")),
        };
        let what = format!("`run`: there is no `{}` in the app", app.program());
        return Err(refuse(Exit::NotFound, what, place).with_hint(hint).into());
    };
    if !program {
        let what = format!("`run`: `{}` is not below {BIN_FOLDER}, so it can't be executed", app.program());
        return Err(refuse(Exit::BadInput, what, place).into());
    }
    let memory = CodeMemory::of(app.manifest.writable_executable);
    elf::check(content, wanted, memory).map_err(|e| {
        let hint = match e {
            elf::CheckElfError::WritableExecutable(_) => WRITABLE_EXECUTABLE_HINT,
            elf::CheckElfError::NotStatic { .. } => "link it statically, against musl",
            elf::CheckElfError::WrongArchitecture { .. } => {
                "build it for the board, or build the image for another board"
            }
            _ => "the device starts ELF programs only",
        };
        refuse(Exit::BadInput, format!("`run`: `{}` can't run on the board", app.program()), place)
            .with_cause(e.to_string())
            .with_hint(hint)
    })?;
    // What it executes itself is its own matter, but for memory that is more than the manifest asks for.
    for (path, (_, content)) in files.iter().filter(|(path, file)| file.0 && *path != program_path) {
        if let Err(error @ elf::CheckElfError::WritableExecutable(_)) = elf::check(content, wanted, memory) {
            let listed = app.files.iter().find(|file| file.image_path == *path).map(|file| &file.place);
            let what = format!("`{path}` is refused");
            let found = refuse(Exit::BadInput, what, listed.unwrap_or(&app.places.build));
            return Err(found.with_cause(error.to_string()).with_hint(WRITABLE_EXECUTABLE_HINT).into());
        }
    }
    Ok(())
}

const WRITABLE_EXECUTABLE_HINT: &str =
    "link it without; if it makes code at run time, write `memory: { writable-executable: true }`";

fn sign(app: &AppSource, seal: &Seal, image: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let Seal { architecture, denials, key, trusted, .. } = *seal;
    let step = || format!("can't pack `{}`", app.manifest.app);
    let filter =
        app_filter::make(&app.manifest, architecture.policy, denials).or_fail(Exit::Internal, step)?;
    let mut payload = Payload {
        component: app.manifest.app.to_string(),
        version: app.manifest.version.clone(),
        rollback_index: app.manifest.rollback_index,
        arch: architecture.signed,
        manifest: device::encode(&app.manifest),
        image_bytes: 0,
        image_digest: Digest::of(&[]),
        filter_sha256: Digest::of(&filter),
        filter,
    };
    payload.describe_image(image);
    let signed = payload.sign(key).or_fail(Exit::BadInput, step)?;
    let archive = package::write_package(&signed, image).or_fail(Exit::BadInput, step)?;
    // The device will judge by the same code: nothing leaves that it would refuse.
    package::open_package(&archive, trusted).or_fail(Exit::VerificationFailed, || {
        format!("`{}` does not verify right after it was made", app.manifest.app)
    })?;
    Ok((signed, archive))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolver_is_for_apps_with_names_to_look_up() {
        let files = |network: &str| {
            let text = format!("app: a.b\nversion: 1.0.0\nbuild: cargo\nrun: [/app/bin/b]\n{network}");
            let app = nacre_manifest::app::parse(&text, "nacre.yaml").unwrap();
            resolver(app.manifest.network.as_ref())
        };
        assert!(files("").is_empty());
        assert!(files("network: { connect: [tcp:192.0.2.1:80], listen: [tcp:80] }").is_empty());
        let made = files("network: { connect: [tcp:192.0.2.1:80, tcp:a.example:80] }");
        let content = b"nameserver 100.115.92.1\n".to_vec();
        assert_eq!(made, Files::from([("/etc/resolv.conf".to_owned(), (false, content))]));
    }
}
