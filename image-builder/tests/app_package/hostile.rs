//! Packages that somebody made to deceive, or that were damaged: each refused, with a reason and an exit code.

use std::process::Command;

use nacre_image_builder::keys::Role;
use nacre_verify::envelope::{self, Kind};
use nacre_verify::package::{members, write_package};

use super::fixture::{Folder, OLD, payload};

/// A member of an archive, as an attacker writes it.
struct Member<'a> {
    name: &'a str,
    mode: u32,
    kind: u8,
    link: &'a str,
    /// Size in the header, if it is not the true one.
    size: Option<u64>,
    content: &'a [u8],
}

impl<'a> Member<'a> {
    fn file(name: &'a str, content: &'a [u8]) -> Self {
        Self { name, mode: 0o644, kind: b'0', link: "", size: None, content }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut header = [0u8; 512];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, self.name);
        put(100, &format!("{:07o}", self.mode));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", self.size.unwrap_or(self.content.len() as u64)));
        put(136, "00000000000");
        put(148, "        ");
        put(157, self.link);
        put(257, "ustar");
        put(263, "00");
        put(329, "0000000");
        put(337, "0000000");
        header[156] = self.kind;
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(header);
        out.extend(self.content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
}

fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    members.iter().for_each(|member| member.write(&mut out));
    out.resize(out.len() + 1024, 0);
    out
}

/// What is done to a package, the bytes that come of it, and what is said of them.
type Case = (&'static str, Vec<u8>, &'static str);

/// Files that are no archive of the two members.
fn broken_archives(good: &[u8]) -> Vec<Case> {
    let (manifest, image) = members(good).unwrap();
    let (end, manifest, image) = (image.end, &good[manifest], &good[image]);
    let two = |one: Member<'_>, other: Member<'_>| archive(&[one, other]);
    let manifest_file = || Member::file("manifest.cose", manifest);
    let image_file = || Member::file("app.img", image);
    let named = |name| two(Member { name, ..manifest_file() }, image_file());
    let kind = |kind, link| two(manifest_file(), Member { kind, link, content: b"", ..image_file() });
    let size = |bytes| two(manifest_file(), Member { size: Some(bytes), ..image_file() });
    assert!(two(manifest_file(), image_file()) == good, "the attacker's tar is as good as ours");
    let header = "no proper header for app.img";
    vec![
        ("empty", vec![], "cut off in manifest.cose"),
        ("cut in a header", good[..100].to_vec(), "cut off in manifest.cose"),
        ("cut in the image", good[..end - 1].to_vec(), "cut off in app.img"),
        ("cut at the end", good[..good.len() - 512].to_vec(), "does not end after app.img"),
        ("longer", [good, &[0; 512]].concat(), "does not end after app.img"),
        ("members turned", two(image_file(), manifest_file()), "no proper header for manifest.cose"),
        ("a member twice", archive(&[manifest_file(), manifest_file(), image_file()]), header),
        ("the image twice", archive(&[manifest_file(), image_file(), image_file()]), "does not end after"),
        (
            "a third member",
            archive(&[manifest_file(), image_file(), Member::file("more", b"more")]),
            "does not end after app.img",
        ),
        ("one member", archive(&[manifest_file()]), header),
        ("absolute path", named("/manifest.cose"), "no proper header for manifest.cose"),
        ("climbing path", named("../manifest.cose"), "no proper header for manifest.cose"),
        ("path with a dot", named("./manifest.cose"), "no proper header for manifest.cose"),
        ("hard link", kind(b'1', "manifest.cose"), header),
        ("symbolic link", kind(b'2', "/etc/shadow"), header),
        ("character device", kind(b'3', ""), header),
        ("block device", kind(b'4', ""), header),
        ("folder", kind(b'5', ""), header),
        ("pipe", kind(b'6', ""), header),
        ("extended header", kind(b'x', ""), header),
        ("long name", kind(b'L', ""), header),
        ("set-user-id", two(manifest_file(), Member { mode: 0o4755, ..image_file() }), header),
        ("8 GiB by its header", size(0o77_777_777_777), "app.img cannot have 8589934591 bytes"),
        ("9 MiB by its header", size(9 << 20), "app.img cannot have 9437184 bytes"),
        ("more than there is", size(1 << 20), "cut off in app.img"),
        ("no image", two(manifest_file(), Member::file("app.img", b"")), "app.img cannot have 0 bytes"),
        ("larger than any", vec![0; 9 << 20], "more than any package"),
        ("text", b"hello".repeat(1000), "no proper header for manifest.cose"),
    ]
}

#[test]
fn package_with_a_broken_archive_is_refused_by_every_command() {
    let folder = Folder::with_two_packages();
    let good = folder.read("old.app");
    for (what, bytes, reason) in broken_archives(&good) {
        folder.write("bad.app", &bytes);
        folder.app(&["verify", "bad.app"]).expect(what, 69, &["bad.app: the archive", reason]);
        folder.app(&["inspect", "bad.app"]).expect(what, 65, &["bad.app", reason]);
        folder.app(&["diff", "old.app", "bad.app"]).expect(what, 65, &["bad.app", reason]);
        folder.app(&["sign", "bad.app", "--keys", "factory"]).expect(what, 65, &["bad.app", reason]);
        let export = ["sign", "bad.app", "--keys", "factory", "--export-request", "request"];
        folder.app(&export).expect(what, 65, &["bad.app", reason]);
        assert!(folder.read("bad.app") == bytes, "{what}: changed");
    }
    assert_eq!(folder.names(), ["bad.app", "keys", "new.app", "old.app"]);
}

#[test]
fn package_that_no_app_key_signed_is_told_by_its_reason() {
    let folder = Folder::new();
    let image = folder.image(&[("/app/bin/tool", b"tool")]);
    let by = |role| folder.package(OLD, &image, role);
    let by_other = {
        let key = folder.keys("other").private(Role::App).unwrap();
        write_package(&payload(OLD, &image).sign(&key).unwrap(), &image).unwrap()
    };
    let as_slot = {
        let key = folder.keys("factory").private(Role::App).unwrap();
        let signed = envelope::sign(Kind::Slot, &payload(OLD, &image).encode().unwrap(), &key);
        write_package(&signed, &image).unwrap()
    };
    let good = by(Role::App);
    let (manifest, image_range) = members(&good).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let root = "keys/factory/root.pub";
    // Bytes, what verify says of them, what inspect says, exit code of signing them anew.
    let only = "only app keys sign packages";
    let cases: [(&str, Vec<u8>, &str, &str, i32); 7] = [
        ("OS key", by(Role::Os), "the OS key of", only, 0),
        ("capability key", by(Role::Capability), "the capability key of", only, 0),
        ("root key", by(Role::Root), "the root key of", only, 0),
        ("another owner", by_other, "a key that no trusted key set names", "not trusted", 0),
        ("another kind", as_slot, "holds a signed slot, not a signed app package", "verified NO", 0),
        ("changed signature", flipped(manifest.end - 1), "does not match", "verified NO", 0),
        (
            "changed image",
            flipped(image_range.start + 5),
            "app.img does not match its hash",
            "verified NO",
            69,
        ),
    ];
    for (what, bytes, verified, inspected, signed) in cases {
        folder.write("bad.app", &bytes);
        folder.app(&["verify", "bad.app", "--root-key", root]).expect(what, 69, &["BAD: bad.app", verified]);
        let json = folder.app(&["verify", "--json", "bad.app", "--root-key", root]).json();
        assert_eq!(json["verdict"], "bad", "{what}");
        let inspect = ["inspect", "bad.app", "--root-key", root];
        folder.app(&inspect).expect(what, 0, &[inspected, "Not read: the package is not verified"]);
        folder.app(&["sign", "bad.app", "--keys", "factory"]).expect(what, signed, &[]);
        assert_eq!(folder.read("bad.app") == bytes, signed != 0, "{what}");
    }
}

#[test]
fn package_whose_content_no_device_takes_is_neither_shown_nor_signed() {
    let folder = Folder::new();
    let image = folder.image(&[("/app/bin/tool", b"tool")]);
    let key = folder.keys("factory").private(Role::App).unwrap();
    let cases = [
        (
            "another version",
            {
                let mut p = payload(OLD, &image);
                p.version = "9.9.9".into();
                p
            },
            "differ in the version",
        ),
        (
            "another app",
            {
                let mut p = payload(OLD, &image);
                p.component = "org.example.x".into();
                p
            },
            "the app's name",
        ),
        (
            "an older index",
            {
                let mut p = payload(OLD, &image);
                p.rollback_index = 9;
                p
            },
            "the rollback index",
        ),
        (
            "no manifest",
            {
                let mut p = payload(OLD, &image);
                p.manifest = b"\xa0".to_vec();
                p
            },
            "app's manifest",
        ),
    ];
    for (what, payload, reason) in cases {
        let bytes = write_package(&payload.sign(&key).unwrap(), &image).unwrap();
        folder.write("bad.app", &bytes);
        folder.app(&["inspect", "bad.app"]).expect(what, 65, &[reason]);
        folder.app(&["sign", "bad.app", "--keys", "factory"]).expect(what, 65, &[reason]);
    }
}

#[test]
fn path_that_is_no_package_is_told_apart() {
    let folder = Folder::new();
    folder.write("notes.txt", b"hello");
    let mut slot = vec![0; 128 * 1024];
    slot[64 * 1024..64 * 1024 + 8].copy_from_slice(b"NACRESLT");
    folder.write("slot.img", &slot);
    let cases = [
        ("notes.txt", 65, "notes.txt"),
        ("slot.img", 65, "is a slot"),
        (".", 65, "is a folder"),
        ("none.app", 66, "none.app"),
    ];
    for (path, exit, reason) in cases {
        for command in ["inspect", "verify"] {
            folder.app(&[command, path]).expect(path, exit, &[reason, "hint: "]);
        }
        folder.app(&["diff", path, path]).expect(path, exit, &[reason, "hint: "]);
        folder.app(&["sign", path, "--keys", "factory"]).expect(path, exit, &[reason, "hint: "]);
    }
}

/// A filesystem that Nacre did not make, in a package that an app key signed all the same: what is odd is said.
#[test]
fn image_with_what_nacre_never_packs_is_shown_as_odd() {
    let folder = Folder::new();
    let tree = folder.path("tree");
    std::fs::create_dir_all(tree.join("app/bin")).unwrap();
    let mode = |path: &str, mode: u32| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(tree.join(path), permissions).unwrap();
    };
    for (path, bits) in [("app/bin/tool", 0o755), ("app/bin/root", 0o4755), ("app/open", 0o666)] {
        std::fs::write(tree.join(path), "x").unwrap();
        mode(path, bits);
    }
    for path in ["app", "app/bin"] {
        mode(path, 0o755);
    }
    std::os::unix::fs::symlink("../../../../etc/shadow", tree.join("app/out")).unwrap();
    assert!(Command::new("mkfifo").arg(tree.join("app/pipe")).status().unwrap().success());
    // Only root can make a device; elsewhere the pipe stands for it.
    let device = Command::new("mknod").arg(tree.join("app/device")).args(["c", "1", "3"]).output().unwrap();
    let made = Command::new("/usr/bin/mkfs.erofs").arg(folder.path("odd.img")).arg(&tree).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let image = folder.read("odd.img");
    folder.write("odd.app", &folder.package(OLD, &image, Role::App));
    let said = folder.app(&["inspect", "odd.app"]);
    let odd = [
        "/app/bin/root has a set-id",
        "/app/open has a mode that Nacre",
        "/app/out is a link",
        "/app/pipe is a device, a pipe",
    ];
    said.expect("odd", 0, &odd);
    let mut odd = odd.to_vec();
    if device.status.success() {
        odd.push("/app/device is a device");
    }
    let json = folder.app(&["inspect", "--json", "odd.app"]).json();
    assert_eq!(json["files_odd"].as_array().map(Vec::len), Some(odd.len()), "{json:#}");
    // Positive control: of ours nothing is.
    let image = folder.image(&[("/app/bin/tool", b"tool"), ("/app/share/x", b"x")]);
    folder.write("good.app", &folder.package(OLD, &image, Role::App));
    let json = folder.app(&["inspect", "--json", "good.app"]).json();
    assert_eq!(json["files_odd"], serde_json::json!([]));
    assert!(!folder.app(&["inspect", "good.app"]).out.contains("ODD FILES"));
}
