//! Two small images, and the whole text of what is said about their differences.

use std::fs;
use std::path::{Path, PathBuf};

use nacre_manifest::device::{
    self, Host, ImageInfo, Limits, Manifest, Network, Port, Protocol, Remote, Restart, RestartPolicy,
    SystemGrant,
};
use nacre_verify::digest::Digest;
use nacre_verify::key::SigningKey;
use nacre_verify::package::{Payload, write_package};
use nacre_verify::slot::Contents;
use nacre_verify::target::Arch;
use regex::Regex;
use tempfile::TempDir;

use super::{CompareError, compare, text};
use crate::app_image::{self, ImageFile};
use crate::data_image::{self, Entry};
use crate::disk::Layout;
use crate::inspect::check::Trust;
use crate::inspect::tests::{SLOT_BYTES, key, slot_of, trust};
use crate::root_image::{self, RootFile};

/// What an image is made of.
#[derive(Clone)]
struct Recipe {
    root: Vec<RootFile>,
    kernel: Vec<u8>,
    manifest: Manifest,
    program: Vec<u8>,
    app_key: SigningKey,
    data_mode: u32,
    uuid: &'static str,
    board: String,
}

const UUID: &str = "6e616372-6500-8000-8000-00000000d474";

fn recipe() -> Recipe {
    let file = |path, content: &[u8]| RootFile { path, mode: 0o755, content: content.into() };
    Recipe {
        root: vec![file("/sbin/init", b"init of A"), file("/sbin/appmgr", b"manager")],
        kernel: vec![7; 10_000],
        manifest: Manifest {
            app: "org.nacre.recorder".parse().unwrap(),
            version: "1.0.0".into(),
            rollback_index: 1,
            run: vec!["/app/bin/recorder".into()],
            critical: false,
            restart: Restart {
                policy: RestartPolicy::Never,
                backoff_min_ms: 1000,
                backoff_max_ms: 1000,
                limit_count: 5,
                limit_window_ms: 60_000,
            },
            limits: Limits {
                memory_bytes: 4 << 20,
                tasks: 8,
                cpu_permille: 250,
                open_files: 32,
                tmp_bytes: 1 << 18,
            },
            data_bytes: 65_536,
            system: vec![],
            peers: vec![],
            network: None,
            health: None,
            devices: device::Devices::default(),
            events: Vec::new(),
            writable_executable: false,
        },
        program: b"recorder".to_vec(),
        app_key: key(3),
        data_mode: 0o700,
        uuid: UUID,
        board: "board: qemu-armv7\nmemory: 24MiB\n".into(),
    }
}

impl Recipe {
    fn package(&self, scratch: &Path) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let file =
            ImageFile { path: "/app/bin/recorder".into(), program: true, content: self.program.clone() };
        let image = app_image::make(&[file], scratch).unwrap();
        let filter = vec![6, 0, 0, 0, 0, 0, 255, 127];
        let mut payload = Payload {
            component: self.manifest.app.to_string(),
            version: self.manifest.version.clone(),
            rollback_index: self.manifest.rollback_index,
            arch: Arch::Armv7,
            manifest: device::encode(&self.manifest),
            image_bytes: 0,
            image_digest: Digest::of(b""),
            filter_sha256: Digest::of(&filter),
            filter,
        };
        payload.describe_image(&image);
        let signed = payload.sign(&self.app_key).unwrap();
        let archive = write_package(&signed, &image).unwrap();
        (signed, image, archive)
    }

    /// Writes slot, disk, package and board into a new folder.
    fn write(&self, folder: &Path) {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(folder).unwrap();
        let root = root_image::make(&self.root).unwrap();
        let (_, slot) = slot_of(&Contents { rootfs: &root, kernel: &self.kernel, device_tree: &[] });
        fs::write(folder.join("slot.img"), &slot).unwrap();
        fs::write(folder.join("board.yaml"), &self.board).unwrap();
        let (signed, image, archive) = self.package(scratch.path());
        fs::write(folder.join("org.nacre.recorder.app"), archive).unwrap();

        let mut content = vec![
            ("packages".to_owned(), Entry::Folder(0o755)),
            ("packages/org.nacre.recorder".to_owned(), Entry::Folder(0o755)),
            ("state".to_owned(), Entry::Folder(self.data_mode)),
        ];
        for (name, bytes) in [("manifest.cose", signed), ("app.img", image)] {
            let file = scratch.path().join(name);
            fs::write(&file, bytes).unwrap();
            content.push((format!("packages/org.nacre.recorder/{name}"), Entry::File(0o644, file)));
        }
        let layout = Layout::new(8 << 20, SLOT_BYTES).unwrap();
        let data = data_image::make(layout.data_bytes, 0, self.uuid, &content, scratch.path()).unwrap();
        let disk = folder.join("disk.img");
        crate::disk::write(&disk, &layout, "qemu-armv7", "demo", &slot, &data).unwrap();
    }
}

struct Two {
    dir: TempDir,
}

impl Two {
    fn new(a: &Recipe, b: &Recipe) -> Self {
        let dir = tempfile::tempdir().unwrap();
        a.write(&dir.path().join("a"));
        b.write(&dir.path().join("b"));
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The text about these two, without what depends on the versions of other programs.
    fn text(&self, a: &str, b: &str, trust: &Trust) -> String {
        let found = compare(&self.path(a), &self.path(b), trust).unwrap();
        let text = text::differences(Path::new(a), Path::new(b), &found);
        let digest = Regex::new("[0-9a-f]{64}").unwrap();
        digest.replace_all(&text, "<digest>").into_owned()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(name)).unwrap();
        change(&mut bytes);
        fs::write(self.path(name), bytes).unwrap();
    }
}

#[test]
fn diff_of_the_same_is_empty() {
    let two = Two::new(&recipe(), &recipe());
    assert_eq!(two.text("a", "b", &trust()), "");
    for name in ["slot.img", "disk.img", "org.nacre.recorder.app"] {
        assert_eq!(two.text(&format!("a/{name}"), &format!("b/{name}"), &Trust::default()), "");
    }
}

#[test]
fn diff_of_two_images_explains_every_part() {
    let mut other = recipe();
    other.root[0] = RootFile { path: "/sbin/init", mode: 0o700, content: b"init of B, longer".into() };
    other.root[1] = RootFile { path: "/sbin/new", mode: 0o755, content: b"x".into() };
    other.kernel.push(8);
    other.kernel[100] = 9;
    other.manifest.system.push(SystemGrant::Stats);
    other.manifest.limits.memory_bytes = 8 << 20;
    other.program = b"Recorder".to_vec();
    other.data_mode = 0o755;
    other.board = other.board.replace("24MiB", "32MiB");
    let two = Two::new(&recipe(), &other);
    fs::write(two.path("b/notes.txt"), "new\n").unwrap();
    let expected = "\
--- a
+++ b
@ board.yaml
- line: memory: 24MiB
+ line: memory: 32MiB
+ notes.txt: 4 bytes
@ org.nacre.recorder.app
- image digest: <digest>
+ image digest: <digest>
- permission: may use up to 4 MiB of memory
+ permission: may use up to 8 MiB of memory
+ permission: may ask the OS for CPU time, memory and uptime of the device
@ org.nacre.recorder.app: image: /app/bin/recorder
! content: 1 byte differs, at 0
@ slot.img: root filesystem
- /sbin/appmgr: file 0755, owner 0:0, 7 bytes
@ slot.img: root filesystem: /sbin/init
- mode: 0755
+ mode: 0700
- bytes: 9
+ bytes: 17
! content: 1 byte differs, at 8
@ slot.img: root filesystem
+ /sbin/new: file 0755, owner 0:0, 1 bytes
@ slot.img: kernel
- bytes: 10000
+ bytes: 10001
- sha256: <digest>
+ sha256: <digest>
! content: 1 byte differs, at 100
@ disk.img: slot-a
! content: differs as slot.img does
@ disk.img: data: /packages/org.nacre.recorder
! content: differs as org.nacre.recorder.app does
@ disk.img: data: /state
- mode: 0700
+ mode: 0755
";
    assert_eq!(two.text("a", "b", &trust()), expected);
    let found = compare(&two.path("a"), &two.path("b"), &trust()).unwrap();
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(
        json[0],
        serde_json::json!({
            "place": ["board.yaml"], "subject": "line", "change": "only-in-a", "a": "memory: 24MiB",
        })
    );
}

#[test]
fn diff_of_another_network_names_each_permission_time_server_and_the_files() {
    let port = |protocol, number| Port { protocol, number };
    let remote = |host, port| Remote { host, port };
    let info = |time_servers: &[&str]| {
        let info = ImageInfo {
            image: "demo".into(),
            version: "1.0.0".into(),
            board: "qemu-armv7".into(),
            development: false,
            development_keys: false,
            app_keys: vec![],
            critical: vec![],
            layers_off: vec![],
            layers_off_of: vec![],
            capability_keys: vec![],
            time_servers: time_servers.iter().map(|server| (*server).to_owned()).collect(),
            devices: device::BoardDevices::default(),
            control_kernel: false,
        };
        RootFile { path: "/etc/nacre/image.cbor", mode: 0o644, content: device::encode(&info) }
    };
    let (mut one, mut other) = (recipe(), recipe());
    one.root.push(info(&["a.example"]));
    other.root.extend([info(&["b.example"]), RootFile { path: "/sbin/netd", mode: 0o755, content: vec![1] }]);
    other.manifest.network = Some(Network {
        connect: vec![
            remote(Host::Address([10, 0, 2, 2]), port(Protocol::Udp, 9000)),
            remote(Host::Name("api.example.com".into()), port(Protocol::Tcp, 443)),
        ],
        listen: vec![port(Protocol::Tcp, 8080)],
    });
    let two = Two::new(&one, &other);
    let said = two.text("a", "b", &trust());
    for line in [
        "- permission: may not use the network\n",
        "+ permission: may send to 10.0.2.2, UDP port 9000\n",
        "+ permission: may connect to api.example.com, TCP port 443\n",
        "+ permission: accepts connections on TCP port 8080 of the device\n",
        "- time server: a.example\n+ time server: b.example\n",
        "+ /sbin/netd: file 0755, owner 0:0, 1 bytes\n",
    ] {
        assert!(said.contains(line), "no `{line}` in:\n{said}");
    }
}

#[test]
fn diff_of_what_no_trusted_key_signed_reads_no_filesystem() {
    let mut other = recipe();
    other.root[0].content = b"init of B".into();
    other.program = b"Recorder".to_vec();
    let two = Two::new(&recipe(), &other);
    let slot = two.text("a/slot.img", "b/slot.img", &Trust::default());
    assert!(slot.contains("@ slot.img: root filesystem\n! files: not compared"), "{slot}");
    assert!(slot.contains("! content: "), "{slot}");
    let app = two.text("a/org.nacre.recorder.app", "b/org.nacre.recorder.app", &Trust::default());
    assert!(app.contains("@ org.nacre.recorder.app: image\n! files: not compared"), "{app}");
}

#[test]
fn diff_of_another_signature_on_the_same_content_says_so() {
    let mut other = recipe();
    other.app_key = key(4);
    let two = Two::new(&recipe(), &other);
    assert_eq!(
        two.text("a/org.nacre.recorder.app", "b/org.nacre.recorder.app", &trust()),
        "--- a/org.nacre.recorder.app\n+++ b/org.nacre.recorder.app\n@ org.nacre.recorder.app\n\
         ! signature: another key or another form, for the same content\n"
    );
}

#[test]
fn diff_of_the_data_filesystem_names_its_fields_when_the_files_are_the_same() {
    let mut other = recipe();
    other.uuid = "6e616372-6500-8000-8000-00000000d475";
    let two = Two::new(&recipe(), &other);
    let said = two.text("a/disk.img", "b/disk.img", &trust());
    for line in [
        "@ disk.img: data\n",
        "- Filesystem UUID: 6e616372-6500-8000-8000-00000000d474\n",
        "+ Filesystem UUID: 6e616372-6500-8000-8000-00000000d475\n",
    ] {
        assert!(said.contains(line), "no `{line}` in:\n{said}");
    }
}

#[test]
fn diff_of_single_bytes_that_nothing_explains_gives_their_places() {
    let last = usize::try_from(SLOT_BYTES).unwrap();
    let cases: [(&str, usize, &str); 5] = [
        ("slot.img", last - 65 * 1024, "@ slot.img\n! padding: 1 byte differs, at 982016\n"),
        ("slot.img", last - 1, "@ slot.img\n! envelope: B's cannot be read\n"),
        ("disk.img", 1024 + 56, "! partition table: "),
        ("disk.img", 40_000, "! partition table and gaps: 1 byte differs, at 40000\n"),
        ("disk.img", 65_536 + 7, "@ disk.img: boot-state\n! content: 1 byte differs, at 7\n"),
    ];
    for (file, at, expected) in cases {
        let two = Two::new(&recipe(), &recipe());
        two.change(&format!("b/{file}"), |bytes| bytes[at] ^= 1);
        let said = two.text(&format!("a/{file}"), &format!("b/{file}"), &trust());
        assert!(said.contains(expected), "{at}: no `{expected}` in:\n{said}");
    }
}

#[test]
fn diff_with_damaged_files_never_fails_and_never_says_the_same() {
    let two = Two::new(&recipe(), &recipe());
    for name in ["slot.img", "disk.img", "org.nacre.recorder.app"] {
        let whole = fs::read(two.path(&format!("a/{name}"))).unwrap();
        let (a, b) = (format!("a/{name}"), format!("b/{name}"));
        for keep in [0, 1, 511, 513, 1024, 4097, whole.len() / 2, whole.len() - 1] {
            fs::write(two.path(&b), &whole[..keep]).unwrap();
            assert_ne!(two.text(&a, &b, &trust()), "", "{name} {keep}");
            assert_ne!(two.text(&b, &a, &trust()), "", "{name} {keep}");
        }
        for step in 0..16 {
            let mut bytes = whole.clone();
            let at = (step * 7919 * 131) % whole.len();
            bytes[at..].iter_mut().take(64).for_each(|byte| *byte ^= 0xff);
            fs::write(two.path(&b), bytes).unwrap();
            assert_ne!(two.text(&a, &b, &trust()), "", "{name} {at}");
        }
    }
}

#[test]
fn diff_of_a_folder_and_a_file_is_refused() {
    let two = Two::new(&recipe(), &recipe());
    for (a, b) in [("a", "b/slot.img"), ("a/slot.img", "b/disk.img")] {
        let error = compare(&two.path(a), &two.path(b), &trust()).unwrap_err();
        assert!(matches!(error, CompareError::Kinds { .. }), "{error}");
    }
    assert!(matches!(compare(&two.path("a"), &two.path("none"), &trust()), Err(CompareError::Find(_))));
}
