//! Signing: here, and with a key that never comes here.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nacre_image_builder::keys::Role;
use nacre_verify::envelope::{self, Kind};
use nacre_verify::key::PublicKey;

use super::fixture::{Folder, NEW, OLD, payload};

/// The id of `factory`'s app key.
fn app_key(folder: &Folder) -> String {
    folder.keys("factory").set.app[0].id().to_string()
}

#[test]
fn signed_elsewhere_is_the_same_as_signed_here() {
    let folder = Folder::with_two_packages();
    folder.app(&["sign", "old.app", "--keys", "other"]).expect("other", 0, &["an app key of `other`"]);
    let by_other = folder.read("old.app");
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.path("old.app"), mode.clone()).unwrap();
    let sign = ["sign", "old.app", "--keys", "factory", "--out", "here.app"];
    folder.app(&sign).expect(
        "here",
        0,
        &["Keeps up to 64 KiB of data", "wrote the signed package: here.app"],
    );
    assert!(folder.read("old.app") == by_other, "--out left the input as it was");

    // This machine has only public halves from now on.
    let offline = Folder::new();
    fs::remove_dir_all(offline.path("keys/factory")).unwrap();
    fs::rename(folder.path("keys/factory"), offline.path("keys/factory")).unwrap();
    fs::create_dir(folder.path("keys/factory")).unwrap();
    for file in ["root.pub", "key-set.cose"] {
        fs::copy(offline.path("keys/factory").join(file), folder.path("keys/factory").join(file)).unwrap();
    }
    folder.app(&["sign", "old.app", "--keys", "factory"]).expect("no key", 66, &["app.key"]);

    let key = app_key(&folder);
    for by in [["--keys", "factory"], ["--key-id", &key]] {
        let export = [&["sign", "old.app", "--export-request", "request"][..], &by].concat();
        let said = folder.app(&export);
        said.expect("export", 0, &[&key, "Keeps up to 64 KiB of data in /data"]);
        offline.write("request", &folder.read("request"));
        let make = ["sign", "--request", "request", "--keys", "factory", "--out", "signature"];
        let there = offline.app(&make);
        there.expect("sign", 0, &["Keeps up to 64 KiB of data in /data"]);
        assert_eq!(said.out, there.out, "both people see the same");
        folder.write("signature", &offline.read("signature"));
        assert_eq!(folder.read("signature").len(), 64);
        let import = ["sign", "old.app", "--signature", "signature", "--out", "there.app"];
        folder.app(&import).expect("import", 0, &["an app key of `factory`"]);
        assert!(folder.read("there.app") == folder.read("here.app"), "the same to the last byte");
    }
    folder.app(&["sign", "old.app", "--signature", "signature"]).expect("in place", 0, &[]);
    assert!(folder.read("old.app") == folder.read("here.app"));
    assert_eq!(fs::metadata(folder.path("old.app")).unwrap().permissions().mode() & 0o777, 0o600);
    folder.app(&["verify", "old.app"]).expect("verify", 0, &["good"]);
    let names = ["here.app", "keys", "new.app", "old.app", "request", "signature", "there.app"];
    assert_eq!(folder.names(), names, "nothing half-written beside");
}

#[test]
fn request_of_anything_else_is_never_signed() {
    let folder = Folder::with_two_packages();
    let id = folder.keys("factory").set.app[0].id();
    let image = folder.image(&[("/app/bin/tool", b"tool")]);
    let content = payload(OLD, &image);
    let encoded = content.encode().unwrap();
    let good = envelope::to_be_signed(Kind::App, &encoded, id);
    let of = |kind, payload: &[u8]| envelope::to_be_signed(kind, payload, id);
    let mut contradiction = content.clone();
    contradiction.version = "9.9.9".into();
    let mut longer = good.clone();
    longer.push(0);
    let for_other = envelope::to_be_signed(Kind::App, &encoded, folder.keys("other").set.app[0].id());
    let for_os = envelope::to_be_signed(Kind::App, &encoded, folder.keys("factory").set.os[0].id());
    let cases: [(&str, Vec<u8>, i32, &str); 13] = [
        ("nothing", vec![], 65, "no request to sign an app package"),
        ("text", b"please sign this".to_vec(), 65, "no request to sign an app package"),
        ("32 bytes", vec![7; 32], 65, "no request to sign an app package"),
        ("a package", folder.read("old.app"), 65, "no request to sign an app package"),
        (
            "an envelope",
            content.sign(&folder.keys("factory").private(Role::App).unwrap()).unwrap(),
            65,
            "no request",
        ),
        ("cut", good[..good.len() - 1].to_vec(), 65, "no request to sign an app package"),
        ("longer", longer, 65, "deterministic"),
        ("a slot's", of(Kind::Slot, &encoded), 69, "it is for a signed slot"),
        ("a key set's", of(Kind::KeySet, &encoded), 69, "it is for a signed key set"),
        ("no content", of(Kind::App, b"\xa0"), 65, "decode the package's content"),
        (
            "content that no device takes",
            of(Kind::App, &contradiction.encode().unwrap()),
            65,
            "differ in the version",
        ),
        ("another set's key", for_other, 64, "not for"),
        ("the OS key", for_os, 64, "not for"),
    ];
    for (what, bytes, exit, reason) in cases {
        folder.write("request", &bytes);
        let make = ["sign", "--request", "request", "--keys", "factory", "--out", "signature"];
        folder.app(&make).expect(what, exit, &["request", reason, "hint: "]);
        assert!(!folder.path("signature").exists(), "{what}");
    }
    folder.write("request", &good);
    let over = ["sign", "--request", "request", "--keys", "factory", "--out", "request"];
    folder.app(&over).expect("over itself", 64, &["would be written over"]);
    assert!(folder.read("request") == good);
}

#[test]
fn signature_that_does_not_fit_changes_nothing() {
    let folder = Folder::with_two_packages();
    let before = folder.read("old.app");
    let keys = folder.keys("factory");
    let image = folder.image(&[("/app/bin/tool", b"tool")]);
    let (app, os) = (keys.private(Role::App).unwrap(), keys.private(Role::Os).unwrap());
    let (manifest, _) = nacre_verify::package::members(&before).unwrap();
    let signed = &before[manifest];
    let fitting = signed[signed.len() - 64..].to_vec();
    let mut flipped = fitting.clone();
    flipped[3] ^= 1;
    let of_new = payload(NEW, &image).signature(&app).unwrap().to_vec();
    let of_os = payload(OLD, &image).signature(&os).unwrap().to_vec();
    assert_ne!(PublicKey::of(&app), PublicKey::of(&os));
    let cases = [
        ("empty", vec![], 65, "has 0 bytes"),
        ("short", fitting[..63].to_vec(), 65, "has 63 bytes"),
        ("long", vec![1; 65], 65, "has 65 bytes"),
        ("flipped", flipped, 69, "no signature of"),
        ("of another package", of_new, 69, "no signature of"),
        ("by the OS key", of_os, 69, "no signature of"),
    ];
    for (what, bytes, exit, reason) in cases {
        folder.write("signature", &bytes);
        folder.app(&["sign", "old.app", "--signature", "signature"]).expect(what, exit, &[reason]);
        assert!(folder.read("old.app") == before, "{what}");
    }
    folder.write("signature", &fitting);
    let other = ["sign", "old.app", "--signature", "signature", "--keys", "other"];
    folder.app(&other).expect("another set", 69, &["no signature of"]);
    folder.app(&["sign", "old.app", "--signature", "none"]).expect("none", 66, &["none"]);
    for out in ["keys", "none/x.app"] {
        let said = folder.app(&["sign", "old.app", "--signature", "signature", "--out", out]);
        assert_ne!(said.exit, Some(0), "{out}");
    }
    assert!(folder.read("old.app") == before);
    assert_eq!(folder.names(), ["keys", "new.app", "old.app", "signature"]);
}

#[test]
fn sign_with_options_that_make_no_sense_is_wrong_usage() {
    let folder = Folder::with_two_packages();
    let lines: [&[&str]; 9] = [
        &["sign"],
        &["sign", "old.app"],
        &["sign", "--keys", "factory"],
        &["sign", "old.app", "--export-request", "r"],
        &["sign", "old.app", "--export-request", "r", "--key-id", "12"],
        &["sign", "old.app", "--keys", "factory", "--key-id", "00000000000000000000000000000000"],
        &["sign", "--request", "r", "--keys", "factory"],
        &["sign", "old.app", "--request", "r", "--keys", "factory", "--out", "s"],
        &["sign", "old.app", "--signature", "s", "--export-request", "r", "--keys", "factory"],
    ];
    for line in lines {
        folder.app(line).expect(&format!("{line:?}"), 2, &[]);
    }
    let foreign =
        ["sign", "old.app", "--export-request", "r", "--keys", "factory", "--key-id", &"0".repeat(32)];
    folder.app(&foreign).expect("a key of nobody", 64, &["is not an app key of `factory`"]);
    assert_eq!(folder.names(), ["keys", "new.app", "old.app"]);
}
