//! A folder with key sets and packages made of a manifest and a few files.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use nacre_image_builder::app_filter;
use nacre_image_builder::app_image::{self, ImageFile};
use nacre_image_builder::keys::{KeyFolder, KeyStore, Purpose, Role};
use nacre_manifest::{app, device};
use nacre_seccomp_policy::Denials;
use nacre_verify::digest::Digest;
use nacre_verify::package::{Payload, write_package};
use nacre_verify::target::Arch;

pub(crate) const OLD: &str = "\
app: org.example.tool
version: 1.0.0
rollback-index: 3
build: none
run: [/app/bin/tool]
limits: { memory: 1MiB, tasks: 2, cpu: 10%, open-files: 16, tmp: 16KiB }
storage: { data: 64KiB }
system: [stats]
files: { /app/bin/tool: tool }
";
pub(crate) const NEW: &str = "\
app: org.example.tool
version: 1.1.0
rollback-index: 2
build: none
run: [/app/bin/tool, --fast]
limits: { memory: 2MiB, tasks: 2, cpu: 10%, open-files: 16, tmp: 16KiB }
storage: { data: 128KiB }
network: { connect: [\"tcp:api.example.com:443\"], listen: [\"tcp:8080\"] }
health: { heartbeat: 30s }
files: { /app/bin/tool: tool }
";

/// A folder with the key sets `factory` and `other`, the first of which is the usual one.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for name in ["factory", "other"] {
            folder.store().create(name, Purpose::Production).unwrap();
        }
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn store(&self) -> KeyStore {
        KeyStore::at(self.path("keys"))
    }

    pub(crate) fn keys(&self, name: &str) -> KeyFolder {
        self.store().load(name).unwrap()
    }

    /// A filesystem image with these files below `/app`.
    pub(crate) fn image(&self, files: &[(&str, &[u8])]) -> Vec<u8> {
        let file = |(path, content): &(&str, &[u8])| ImageFile {
            path: (*path).to_owned(),
            program: path.starts_with("/app/bin"),
            content: content.to_vec(),
        };
        let scratch = tempfile::tempdir().unwrap();
        app_image::make(&files.iter().map(file).collect::<Vec<_>>(), scratch.path()).unwrap()
    }

    /// A package that a key of `factory` signed.
    pub(crate) fn package(&self, manifest: &str, image: &[u8], role: Role) -> Vec<u8> {
        let key = self.keys("factory").private(role).unwrap();
        write_package(&payload(manifest, image).sign(&key).unwrap(), image).unwrap()
    }

    /// `old.app` and `new.app`, signed by the app key of `factory`.
    pub(crate) fn with_two_packages() -> Self {
        let folder = Self::new();
        let old = folder.image(&[
            ("/app/bin/tool", b"tool"),
            ("/app/share/gone.txt", b"gone"),
            ("/app/share/same.txt", b"same"),
        ]);
        let new = folder.image(&[
            ("/app/bin/tool", b"Tool, faster"),
            ("/app/share/added.txt", b"added"),
            ("/app/share/same.txt", b"same"),
        ]);
        folder.write("old.app", &folder.package(OLD, &old, Role::App));
        folder.write("new.app", &folder.package(NEW, &new, Role::App));
        folder
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nacre"));
        command.current_dir(self.0.path()).args(arguments).env_remove("NO_COLOR");
        command.env("NACRE_KEYS", self.path("keys"));
        command
    }

    /// `nacre app …`
    pub(crate) fn app(&self, arguments: &[&str]) -> Said {
        self.command(&[&["app"], arguments].concat()).output().unwrap().into()
    }
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) exit: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { exit: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// Expects this exit code, and each of these texts in what was said.
    pub(crate) fn expect(&self, what: &str, exit: i32, texts: &[&str]) {
        let all = format!("{}{}", self.out, self.err);
        assert_eq!(self.exit, Some(exit), "{what}:\n{all}");
        let words = all.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in texts {
            assert!(words.contains(text), "{what}: no `{text}` in:\n{all}");
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// What is signed of a package.
pub(crate) fn payload(manifest: &str, image: &[u8]) -> Payload {
    let manifest = app::parse(manifest, "nacre.yaml").unwrap().manifest;
    let filter = app_filter::make(&manifest, nacre_seccomp_policy::Arch::Armv7, Denials::Notify).unwrap();
    let mut payload = Payload {
        component: manifest.app.to_string(),
        version: manifest.version.clone(),
        rollback_index: manifest.rollback_index,
        arch: Arch::Armv7,
        manifest: device::encode(&manifest),
        image_bytes: 0,
        image_digest: Digest::of(b""),
        filter_sha256: Digest::of(&filter),
        filter,
    };
    payload.describe_image(image);
    payload
}
