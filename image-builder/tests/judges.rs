//! A slot and a disk from made-up parts, judged by programs that know nothing of Nacre.

use std::fs;
use std::io::Seek as _;
use std::path::Path;
use std::process::{Command, Output};

use nacre_image_builder::data_image::{self, Entry};
use nacre_image_builder::disk::{self, Layout};
use nacre_image_builder::keys::{KeyStore, Purpose, Role};
use nacre_image_builder::root_image::{self, RootFile};
use nacre_image_builder::{guid, slot};
use nacre_verify::digest::Digest;
use nacre_verify::slot::{Contents, Parts, Slot};
use nacre_verify::target::{Arch, Profile};

const SLOT_BYTES: u64 = 4 << 20;

struct Made {
    folder: tempfile::TempDir,
    layout: Layout,
    slot: Slot,
}

/// Builds everything in a new folder: `root.squashfs`, `slot.img`, `data.img`, `disk.img`.
fn make() -> Made {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let rootfs = root_image::make(&[
        RootFile {
            path: "/sbin/init",
            mode: 0o755,
            content: (0..200_000u32).flat_map(u32::to_le_bytes).collect(),
        },
        RootFile { path: "/etc/nacre/image.cbor", mode: 0o644, content: b"info".to_vec() },
    ])
    .unwrap();
    fs::write(at("root.squashfs"), &rootfs).unwrap();

    let keys = KeyStore::at(at("keys")).create("test", Purpose::Development).unwrap();
    let contents = Contents { rootfs: &rootfs, kernel: &[0x5a; 1_500_001], device_tree: b"tree" };
    let description = Slot {
        image: "judged".into(),
        version: "1.0.0".into(),
        rollback_index: 1,
        profile: Profile::Development,
        board: "bench".into(),
        arch: Arch::Armv7,
        slot_bytes: SLOT_BYTES,
        parts: Parts::of(&contents),
        arguments: "console=ttyAMA0".into(),
        critical: Vec::new(),
        board_digest: Digest::of(b"board"),
    };
    let (slot, bytes) =
        slot::assemble(description, &contents, &keys, &keys.private(Role::Os).unwrap()).unwrap();
    fs::write(at("slot.img"), &bytes).unwrap();

    let layout = Layout::new(16 << 20, SLOT_BYTES).unwrap();
    fs::write(at("package"), vec![7; 300_000]).unwrap();
    let content = [
        ("packages".to_owned(), Entry::Folder(0o755)),
        ("packages/org.nacre.x".to_owned(), Entry::Folder(0o755)),
        ("packages/org.nacre.x/app.img".to_owned(), Entry::File(0o644, at("package"))),
    ];
    let uuid = guid::derive("bench", "judged", "data-filesystem");
    let mut data = data_image::make(layout.data_bytes, 0, &uuid, &content, folder.path()).unwrap();
    disk::write(&at("disk.img"), &layout, "bench", "judged", &bytes, &data).unwrap();
    data.rewind().unwrap();
    std::io::copy(&mut data, &mut fs::File::create(at("data.img")).unwrap()).unwrap();
    Made { folder, layout, slot }
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"))
}

fn accepted(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn root_filesystem_is_accepted_by_unsquashfs() {
    let made = make();
    let image = made.folder.path().join("slot.img");
    let list = accepted("unsquashfs", &["-lln", text(&image)]);
    let lines: Vec<&str> = list.lines().filter(|l| l.contains("squashfs-root")).collect();
    assert!(lines.iter().all(|l| l.contains(" 0/0 ")), "{list}");
    assert!(lines.iter().any(|l| l.starts_with("-rwxr-xr-x") && l.ends_with("/sbin/init")), "{list}");
    for mount_point in ["dev", "proc", "sys", "run", "data", "tmp"] {
        assert!(
            lines
                .iter()
                .any(|l| l.starts_with("drwxr-xr-x") && l.ends_with(&format!("squashfs-root/{mount_point}")))
        );
    }
    let unpacked = made.folder.path().join("unpacked");
    accepted("unsquashfs", &["-quiet", "-no-progress", "-dest", text(&unpacked), text(&image)]);
    assert_eq!(fs::read(unpacked.join("etc/nacre/image.cbor")).unwrap(), b"info");
}

#[test]
fn hash_tree_is_accepted_by_veritysetup_and_a_changed_block_is_not() {
    let made = make();
    let image = made.folder.path().join("slot.img");
    let parts = &made.slot.parts;
    let verify = |path: &Path| {
        run(
            "veritysetup",
            &[
                "verify",
                "--no-superblock",
                "--format=1",
                "--hash=sha256",
                "--salt=-",
                "--data-block-size=4096",
                "--hash-block-size=4096",
                &format!("--data-blocks={}", parts.rootfs.bytes / 4096),
                &format!("--hash-offset={}", parts.tree.offset),
                text(path),
                text(path),
                &parts.rootfs.root_hash.to_string(),
            ],
        )
    };
    let good = verify(&image);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let mut bytes = fs::read(&image).unwrap();
    bytes[5000] ^= 1;
    let changed = made.folder.path().join("changed.img");
    fs::write(&changed, bytes).unwrap();
    assert!(!verify(&changed).status.success());
}

#[test]
fn disk_is_accepted_by_sgdisk_and_holds_slot_and_data() {
    let made = make();
    let image = made.folder.path().join("disk.img");
    let verdict = accepted("sgdisk", &["-v", text(&image)]);
    assert!(verdict.contains("No problems found"), "{verdict}");
    let table = accepted("sgdisk", &["-p", text(&image)]);
    for (number, name) in [(1, "boot-state"), (2, "slot-a"), (3, "slot-b"), (4, "data")] {
        let entry = accepted("sgdisk", &["-i", &number.to_string(), text(&image)]);
        assert!(entry.contains(&format!("'{name}'")), "{table}");
        let guid = guid::derive("bench", "judged", name).to_uppercase();
        assert!(entry.contains(&guid), "{entry}");
    }
    let disk = fs::read(&image).unwrap();
    let part =
        |start: u64, bytes: u64| &disk[usize::try_from(start).unwrap()..][..usize::try_from(bytes).unwrap()];
    let l = made.layout;
    assert_eq!(part(l.slot_a, l.slot_bytes), fs::read(made.folder.path().join("slot.img")).unwrap());
    assert!(part(l.slot_b, l.slot_bytes).iter().all(|b| *b == 0));
    assert!(part(l.boot_state, disk::BOOT_STATE_BYTES).iter().all(|b| *b == 0));
    assert_eq!(part(l.data, l.data_bytes), fs::read(made.folder.path().join("data.img")).unwrap());
}

#[test]
fn data_filesystem_is_accepted_by_e2fsck() {
    let made = make();
    let image = made.folder.path().join("data.img");
    accepted("e2fsck", &["-fn", text(&image)]);
    let features = accepted("dumpe2fs", &["-h", text(&image)]);
    let line = features.lines().find(|l| l.starts_with("Filesystem features")).unwrap();
    for feature in ["has_journal", "quota", "verity", "metadata_csum"] {
        assert!(line.contains(feature), "{line}");
    }
    assert!(!line.contains("resize_inode"), "{line}");
    assert!(features.contains("Block size:               1024"), "{features}");
}

#[test]
fn disk_made_twice_is_the_same_but_for_the_signatures() {
    // The keys differ from run to run, so the slot does: compare what is beside it.
    let (one, two) = (make(), make());
    let read = |made: &Made| fs::read(made.folder.path().join("disk.img")).unwrap();
    let (mut first, mut second) = (read(&one), read(&two));
    for disk in [&mut first, &mut second] {
        let start = usize::try_from(one.layout.slot_a).unwrap();
        disk[start..start + usize::try_from(SLOT_BYTES).unwrap()].fill(0);
    }
    assert!(first == second, "partition table or data differ");
}
