//! A small image, and what is found when it is changed.

use std::fs;
use std::path::{Path, PathBuf};

use nacre_manifest::device::{
    self, Host, ImageInfo, Limits, Manifest, Network, Port, Protocol, Remote, Restart, RestartPolicy,
    SystemGrant,
};
use nacre_verify::digest::Digest;
use nacre_verify::envelope::{self, Kind};
use nacre_verify::key::{PublicKey, SigningKey};
use nacre_verify::key_set::KeySet;
use nacre_verify::package::{Payload, write_package};
use nacre_verify::slot::{Contents, EnvelopeArea, Parts, Slot, write_slot};
use nacre_verify::target::{Arch, Profile};
use serde_json::json;

use crate::root_image::{self, RootFile};
use crate::run::tests::BOARD;

use super::check::{Finding, Trust, Verdict, check};
use super::{report, subject, text};

pub(crate) const SLOT_BYTES: u64 = 1 << 20;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn key_set() -> KeySet {
    KeySet {
        version: 1,
        rollback_index: 1,
        development: true,
        os: vec![PublicKey::of(&key(2))],
        app: vec![PublicKey::of(&key(3))],
        capability: vec![],
        revoked: vec![],
    }
}

pub(crate) fn trust() -> Trust {
    Trust { roots: vec![PublicKey::of(&key(9)), PublicKey::of(&key(1))], key_sets: vec![] }
}

/// A slot with this content, signed with the test keys.
pub(crate) fn slot_of(contents: &Contents<'_>) -> (Slot, Vec<u8>) {
    let slot = Slot {
        image: "demo".into(),
        version: "0.1.0".into(),
        rollback_index: 1,
        profile: Profile::Development,
        board: "qemu-armv7".into(),
        arch: Arch::Armv7,
        slot_bytes: SLOT_BYTES,
        parts: Parts::of(contents),
        arguments: "console=ttyAMA0".into(),
        critical: vec![],
        board_digest: Digest::of(BOARD.as_bytes()),
    };
    let key_set = key_set().sign(&key(1)).unwrap();
    let signed = envelope::sign(Kind::Slot, &slot.encode().unwrap(), &key(2));
    let bytes = write_slot(&slot, contents, &EnvelopeArea { key_set: &key_set, slot: &signed }).unwrap();
    (slot, bytes)
}

pub(crate) fn slot() -> (Slot, Vec<u8>) {
    let rootfs: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    slot_of(&Contents { rootfs: &rootfs, kernel: &[7; 10_000], device_tree: &[8; 100] })
}

pub(crate) fn package() -> Vec<u8> {
    package_with(vec![0xa0])
}

fn package_with(manifest: Vec<u8>) -> Vec<u8> {
    let filter = vec![6, 0, 0, 0, 0, 0, 255, 127];
    let mut payload = Payload {
        component: "org.nacre.recorder".into(),
        version: "1.0.0".into(),
        rollback_index: 1,
        arch: Arch::Armv7,
        manifest,
        image_bytes: 0,
        image_digest: Digest::of(b""),
        filter_sha256: Digest::of(&filter),
        filter,
    };
    let image = vec![5; 8192];
    payload.describe_image(&image);
    write_package(&payload.sign(&key(3)).unwrap(), &image).unwrap()
}

/// A disk with the slot in `slot-a`.
pub(crate) fn write_disk(path: &Path, slot: &[u8]) {
    let data = path.with_extension("data");
    fs::write(&data, b"data").unwrap();
    let data = fs::File::open(data).unwrap();
    let layout = crate::disk::Layout::new(8 << 20, SLOT_BYTES).unwrap();
    crate::disk::write(path, &layout, "qemu-armv7", "demo", slot, &data).unwrap();
}

fn find(path: &Path) -> Vec<Finding> {
    check(&subject::find(path).unwrap(), &trust())
}

/// The part that is bad, of the only finding.
fn bad_part(path: &Path) -> Option<String> {
    match find(path).as_slice() {
        [Finding { verdict: Verdict::Bad { part, .. }, .. }] => Some(part.clone()),
        _ => None,
    }
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn check_of_a_whole_folder_finds_everything_good() {
    let dir = tempfile::tempdir().unwrap();
    let (_, bytes) = slot();
    write(dir.path(), "slot.img", &bytes);
    write_disk(&dir.path().join("disk.img"), &bytes);
    write(dir.path(), "recorder.app", &package());
    let findings = find(dir.path());
    let subjects: Vec<_> = findings.iter().map(Finding::name).collect();
    assert_eq!(subjects, ["slot.img", "disk.img: slot-a", "recorder.app"]);
    for finding in &findings {
        assert!(matches!(finding.verdict, Verdict::Slot(_) | Verdict::Package(_)), "{finding:?}");
    }
}

#[test]
fn check_of_a_board_file_compares_it_with_every_verified_slot() {
    let dir = tempfile::tempdir().unwrap();
    let (_, good) = slot();
    write(dir.path(), "slot.img", &good);
    write_disk(&dir.path().join("disk.img"), &good);
    let verdict = || find(dir.path()).pop().unwrap().verdict;
    write(dir.path(), "board.yaml", BOARD.as_bytes());
    assert!(matches!(verdict(), Verdict::Board(_)));
    for other in [BOARD.replace("virt", "none"), format!("{BOARD}\n"), String::new(), "x".repeat(2 << 20)] {
        write(dir.path(), "board.yaml", other.as_bytes());
        assert!(matches!(verdict(), Verdict::Bad { part, .. } if part == "board description"));
        let report = report::inspect(&subject::find(dir.path()).unwrap(), &trust());
        assert!(text::report(&report).contains("board.yaml: verified: NO: "));
    }
    fs::remove_file(dir.path().join("disk.img")).unwrap();
    let mut bytes = good;
    bytes[0] ^= 1;
    write(dir.path(), "slot.img", &bytes);
    assert!(matches!(verdict(), Verdict::Unchecked(_)));
}

#[test]
fn check_of_a_flipped_byte_names_the_part() {
    let dir = tempfile::tempdir().unwrap();
    let (slot, good) = slot();
    let parts = &slot.parts;
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let envelope = at(SLOT_BYTES) - 64 * 1024;
    let table = [
        (0, "root filesystem"),
        (at(parts.rootfs.bytes) - 1, "root filesystem"),
        (at(parts.tree.offset), "hash tree"),
        (at(parts.tree.offset + parts.tree.bytes) - 1, "hash tree"),
        (at(parts.kernel.offset), "kernel"),
        (at(parts.kernel.offset + parts.kernel.bytes) - 1, "kernel"),
        (at(parts.kernel.offset + parts.kernel.bytes), "padding"),
        (at(parts.device_tree.offset), "device tree"),
        (at(parts.device_tree.offset + parts.device_tree.bytes), "padding"),
        (envelope - 1, "padding"),
        (envelope, "envelope"),
        (envelope + 8, "envelope"),
        (envelope + 40, "envelope"),
        (at(SLOT_BYTES) - 1, "envelope"),
    ];
    for (offset, part) in table {
        let mut bytes = good.clone();
        bytes[offset] ^= 1;
        assert_eq!(bad_part(&write(dir.path(), "slot.img", &bytes)).as_deref(), Some(part), "byte {offset}");
        let disk = dir.path().join("disk.img");
        let _ = fs::remove_file(&disk);
        write_disk(&disk, &bytes);
        assert_eq!(bad_part(&disk).as_deref(), Some(part), "byte {offset} on the disk");
    }
}

#[test]
fn check_of_a_cut_slot_is_bad() {
    let dir = tempfile::tempdir().unwrap();
    let (_, good) = slot();
    for bytes in [0, 1000, 64 * 1024, good.len() - 4096] {
        let path = write(dir.path(), "slot.img", &good[..bytes]);
        assert!(bad_part(&path).is_some(), "{bytes} bytes");
    }
}

#[test]
fn check_with_another_root_key_is_bad_and_without_any_is_unchecked() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "slot.img", &slot().1);
    let subjects = subject::find(&path).unwrap();
    let other = Trust { roots: vec![PublicKey::of(&key(9))], key_sets: vec![] };
    assert!(matches!(&check(&subjects, &other)[0].verdict, Verdict::Bad { part, .. } if part == "envelope"));
    assert!(matches!(&check(&subjects, &Trust::default())[0].verdict, Verdict::Unchecked(_)));
}

#[test]
fn check_of_packages_uses_the_keys_of_the_image_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "recorder.app", &package());
    assert!(matches!(&find(&path)[0].verdict, Verdict::Unchecked(_)));
    let stored = Trust { key_sets: vec![key_set()], ..trust() };
    let subjects = subject::find(&path).unwrap();
    assert!(matches!(&check(&subjects, &stored)[0].verdict, Verdict::Package(_)));

    write(dir.path(), "slot.img", &slot().1);
    let good = package();
    for (offset, part) in [(0, "archive"), (600, "manifest"), (good.len() - 2000, "image")] {
        let mut bytes = good.clone();
        bytes[offset] ^= 1;
        write(dir.path(), "recorder.app", &bytes);
        match &find(dir.path())[1].verdict {
            Verdict::Bad { part: found, .. } => assert_eq!(found, part, "byte {offset}"),
            other => panic!("byte {offset}: {other:?}"),
        }
    }
}

#[test]
fn check_of_a_disk_without_slots_or_table_is_bad() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk.img");
    write_disk(&disk, &[]);
    assert_eq!(bad_part(&disk).as_deref(), Some("slots"));
    for offset in [520, 1024 + 60] {
        let mut bytes = fs::read(&disk).unwrap();
        bytes[offset] ^= 1;
        let hit = write(dir.path(), "hit-disk.img", &bytes);
        assert_eq!(bad_part(&hit).as_deref(), Some("partition table"), "byte {offset}");
    }
}

/// A root filesystem with a program and the description of a test image whose seccomp layer is off.
fn rootfs() -> Vec<u8> {
    let info = ImageInfo {
        image: "demo".into(),
        version: "0.1.0".into(),
        board: "qemu-armv7".into(),
        development: true,
        development_keys: true,
        app_keys: vec![],
        critical: vec![],
        layers_off: vec!["seccomp".into()],
        layers_off_of: vec![nacre_manifest::device::AppLayers {
            app: "org.nacre.probe".parse().unwrap(),
            layers: vec!["landlock".into()],
        }],
        capability_keys: vec![],
        time_servers: vec!["pool.ntp.org".into()],
        devices: device::BoardDevices::default(),
        control_kernel: true,
    };
    root_image::make(&[
        RootFile { path: "/sbin/init", mode: 0o755, content: vec![1; 5000] },
        RootFile { path: "/sbin/netd", mode: 0o755, content: vec![2; 100] },
        RootFile { path: "/etc/nacre/image.cbor", mode: 0o644, content: device::encode(&info) },
    ])
    .unwrap()
}

fn manifest() -> Manifest {
    Manifest {
        app: "org.nacre.recorder".parse().unwrap(),
        version: "1.0.0".into(),
        rollback_index: 1,
        run: vec!["/app/bin/recorder".into()],
        critical: false,
        restart: Restart {
            policy: RestartPolicy::OnFailure,
            backoff_min_ms: 1000,
            backoff_max_ms: 60_000,
            limit_count: 5,
            limit_window_ms: 600_000,
        },
        limits: Limits {
            memory_bytes: 4 << 20,
            tasks: 8,
            cpu_permille: 250,
            open_files: 32,
            tmp_bytes: 1 << 18,
        },
        data_bytes: 65_536,
        system: vec![SystemGrant::Stats],
        peers: vec![],
        network: Some(Network {
            connect: vec![Remote { host: Host::Name("api.example.com".into()), port: tcp(443) }],
            listen: vec![tcp(8080)],
        }),
        health: None,
        devices: device::Devices::default(),
        events: Vec::new(),
        writable_executable: false,
    }
}

fn tcp(number: u16) -> Port {
    Port { protocol: Protocol::Tcp, number }
}

#[test]
fn inspect_of_a_verified_image_shows_files_sizes_and_what_apps_may_do() {
    let dir = tempfile::tempdir().unwrap();
    let (slot, bytes) = slot_of(&Contents { rootfs: &rootfs(), kernel: &[7; 10_000], device_tree: &[] });
    write(dir.path(), "slot.img", &bytes);
    write_disk(&dir.path().join("disk.img"), &bytes);
    write(dir.path(), "recorder.app", &package_with(device::encode(&manifest())));
    let report = report::inspect(&subject::find(dir.path()).unwrap(), &trust());
    let json = serde_json::to_value(&report).unwrap();
    let parts = &slot.parts;
    let blocks = |bytes: u64| bytes.next_multiple_of(4096);
    let used = parts.rootfs.bytes + parts.tree.bytes + blocks(parts.kernel.bytes) + 64 * 1024;
    for (field, expected) in [
        ("slot_bytes_without_apps", json!(used)),
        ("verified", json!(true)),
        ("image", json!("demo")),
        ("profile", json!("development")),
        ("layers_off", json!(["seccomp", "landlock of org.nacre.probe"])),
        ("control_kernel", json!(true)),
        ("network", json!(true)),
        ("time_servers", json!(["pool.ntp.org"])),
    ] {
        assert_eq!(json[field], expected, "{field}");
    }
    let files: Vec<_> =
        report.slot.as_ref().unwrap().files.iter().map(|f| (f.path.as_str(), f.bytes)).collect();
    assert!(files.contains(&("/sbin/init", 5000)), "{files:?}");
    assert_eq!(json["partitions"].as_array().unwrap().len(), 4);
    assert_eq!(json["apps"][0]["app"], "org.nacre.recorder");
    let network = json!({ "connect": ["tcp:api.example.com:443"], "listen": ["tcp:8080"] });
    assert_eq!(json["apps"][0]["network"], network);
    let text = text::report(&report);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for needle in [
        "WARNING        sandbox layers are off: seccomp, landlock of org.nacre.probe\n",
        "0755  0:0    5000    /sbin/init\n",
        "  may use up to 4 MiB of memory\n",
        "  may connect to api.example.com, TCP port 443\n",
        "  accepts connections on TCP port 8080 of the device\n",
        "network        yes: netd is there for apps whose manifest has `network`\n",
        "time servers   pool.ntp.org\n",
        "development keys",
    ] {
        assert!(text.contains(needle), "{needle} in {text}");
    }
}

#[test]
fn inspect_of_an_image_without_netd_says_that_no_app_can_have_a_network() {
    let dir = tempfile::tempdir().unwrap();
    let rootfs = root_image::make(&[RootFile { path: "/sbin/init", mode: 0o755, content: vec![1] }]).unwrap();
    let (_, bytes) = slot_of(&Contents { rootfs: &rootfs, kernel: &[7; 100], device_tree: &[] });
    let path = write(dir.path(), "slot.img", &bytes);
    let report = report::inspect(&subject::find(&path).unwrap(), &trust());
    assert_eq!(report.slot.as_ref().unwrap().network, Some(false));
    assert!(text::report(&report).contains("network        none: no netd is there"));
}

#[test]
fn inspect_of_a_changed_image_is_marked_and_lists_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let (slot, mut bytes) = slot();
    bytes[usize::try_from(slot.parts.kernel.offset).unwrap()] ^= 1;
    let path = write(dir.path(), "slot.img", &bytes);
    let report = report::inspect(&subject::find(&path).unwrap(), &trust());
    let found = report.slot.as_ref().unwrap();
    assert!(!found.standing.verified);
    assert_eq!(found.image, "demo");
    assert_eq!(found.keys.signed_by, None);
    assert!(found.files.is_empty());
    assert_eq!(found.network, None);
    assert!(
        text::report(&report).contains("verified       NO: kernel: the kernel does not match its hash\n")
    );
}
