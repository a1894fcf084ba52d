//! The main screens, whole: `tests/golden/app/*.txt`. With `NACRE_BLESS=1` they are written anew; look at the
//! difference before it is kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nacre_image_builder::keys::Role;
use regex::{Captures, Regex};

use super::fixture::{Folder, NEW, OLD, payload};
use nacre_verify::package::write_package;

/// Keys are new in every run, and hashes with them; sizes and filters belong to other tests. What a text has of them is
/// replaced by something of the same length.
fn without_chance(text: &str) -> String {
    let mut seen = BTreeMap::new();
    let hash = Regex::new("[0-9a-f]{16,}").unwrap();
    let text = hash.replace_all(text, |found: &Captures<'_>| {
        let next = char::from(b'a' + u8::try_from(seen.len()).unwrap());
        seen.entry(found[0].to_owned()).or_insert(next).to_string().repeat(found[0].len())
    });
    let number = Regex::new(r"(image +|\.app, |filter +|request, |-> )\d+( bytes| instructions)").unwrap();
    number.replace_all(&text, "${1}N${2}").into_owned()
}

fn check(name: &str, folder: &Folder, arguments: &[&str]) {
    let said = folder.app(arguments);
    let too_long = said.out.lines().find(|line| line.chars().count() > 80);
    assert_eq!(too_long, None, "{arguments:?}");
    let found = format!(
        "$ nacre app {}\n{}--- stderr\n{}--- exit code {}\n",
        arguments.join(" "),
        said.out,
        said.err,
        said.exit.unwrap()
    );
    let found = without_chance(&found);
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/app").join(name).with_extension("txt");
    if std::env::var_os("NACRE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, &found).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "{} differs; NACRE_BLESS=1 writes it anew", path.display());
}

#[test]
fn screens_golden_files_match() {
    let folder = Folder::with_two_packages();
    let image = folder.image(&[("/app/bin/tool", b"tool")]);
    folder.write("by-os.app", &folder.package(OLD, &image, Role::Os));
    check("inspect", &folder, &["inspect", "new.app"]);
    check("inspect-by-os-key", &folder, &["inspect", "by-os.app"]);
    check("verify", &folder, &["verify", "old.app"]);
    check("verify-by-os-key", &folder, &["verify", "by-os.app"]);
    check("diff", &folder, &["diff", "old.app", "new.app"]);
    check("diff-same", &folder, &["diff", "old.app", "old.app"]);
    check("sign-request", &folder, &["sign", "old.app", "--export-request", "r", "--keys", "factory"]);
}

#[test]
fn screens_with_colour_say_the_same() {
    let folder = Folder::with_two_packages();
    let colour = Regex::new("\x1b\\[[0-9;]*m").unwrap();
    for command in [&["inspect", "new.app"][..], &["diff", "old.app", "new.app"]] {
        let plain = folder.app(command).out;
        let painted = folder.app(&[command, &["--color", "always"]].concat()).out;
        assert_ne!(plain, painted, "{command:?}");
        assert_eq!(plain, colour.replace_all(&painted, ""), "{command:?}");
    }
}

#[test]
fn json_has_what_the_screens_have() {
    let folder = Folder::with_two_packages();
    let report = folder.app(&["inspect", "--json", "new.app"]).json();
    assert_eq!(report["app"], "org.example.tool");
    assert_eq!(report["verified"], true);
    assert_eq!(report["signer"]["role"], "app");
    assert_eq!(report["signer"]["key_set"], "factory");
    assert_eq!(report["permissions"][1], "May connect to api.example.com, TCP port 443.");
    assert_eq!(report["filter"]["matches_permissions"], true);
    let files = report["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file["path"] == "/app/bin/tool" && file["bytes"] == 12), "{files:?}");

    let changes = folder.app(&["diff", "--json", "old.app", "new.app"]);
    changes.expect("diff", 1, &[]);
    let changes = changes.json();
    assert_eq!(changes["identical"], false);
    assert_eq!(changes["permissions_lost"].as_array().map(Vec::len), Some(1));
    assert_eq!(changes["limits"][0]["field"], "limits.memory");
    assert_eq!(changes["files"]["added"][0]["path"], "/app/share/added.txt");
    assert!(changes["warnings"][0].as_str().unwrap().contains("goes back from 3 to 2"));

    let signed = folder.app(&["sign", "--json", "old.app", "--keys", "other", "--out", "o.app"]).json();
    assert_eq!([&signed["wrote"], &signed["path"]], ["package", "o.app"]);
    assert_eq!(signed["key"]["key_set"], "other");
    assert_eq!(signed["statement"]["app"], "org.example.tool");
    let asked = folder.app(&["sign", "--json", "old.app", "--keys", "other", "--export-request", "r"]).json();
    assert_eq!(
        [&asked["wrote"], &asked["request_sha256"]],
        ["request", signed["request_sha256"].as_str().unwrap()]
    );
    let made = ["sign", "--json", "--request", "r", "--keys", "other", "--out", "s"];
    assert_eq!(folder.app(&made).json()["wrote"], "signature");
    let put = folder.app(&["sign", "--json", "old.app", "--signature", "s", "--out", "p.app"]).json();
    assert_eq!(put["wrote"], "package");
    assert_eq!(folder.read("o.app"), folder.read("p.app"));

    let verdict = folder.app(&["verify", "--json", "old.app"]).json();
    assert_eq!(verdict["verdict"], "good");
    folder.app(&["diff", "old.app", "old.app"]).expect("the same", 0, &["the same to the last byte"]);
}

#[test]
fn package_of_another_owner_is_verified_with_their_root_key() {
    let folder = Folder::with_two_packages();
    fs::create_dir(folder.path("owner")).unwrap();
    for file in ["root.pub", "key-set.cose"] {
        fs::copy(folder.path("keys/factory").join(file), folder.path("owner").join(file)).unwrap();
    }
    fs::rename(folder.path("keys/factory"), folder.path("factory")).unwrap();
    folder.app(&["verify", "old.app"]).expect(
        "unknown",
        69,
        &["that no trusted key set names", "--root-key"],
    );
    let named = &["verify", "old.app", "--root-key", "owner/root.pub"];
    folder.app(named).expect("named", 0, &["good: old.app"]);
    folder.app(&["verify", "old.app", "--root-key", "keys/other/root.pub"]).expect("another", 69, &[]);
    // A key set that the named key did not sign is no key set.
    fs::copy(folder.path("keys/other/key-set.cose"), folder.path("owner/key-set.cose")).unwrap();
    folder.app(named).expect("mixed", 69, &["owner/key-set.cose"]);
    fs::remove_file(folder.path("owner/key-set.cose")).unwrap();
    folder.app(named).expect("without a set", 66, &["no verified key set", "key-set.cose"]);
    fs::remove_dir_all(folder.path("keys")).unwrap();
    folder.app(&["verify", "old.app"]).expect("no keys", 66, &["could not be checked"]);
}

#[test]
fn filter_of_another_origin_is_pointed_out() {
    let folder = Folder::with_two_packages();
    let image = folder.image(&[("/app/bin/tool", b"tool")]);
    let mut open = payload(NEW, &image);
    // BPF_RET, SECCOMP_RET_ALLOW.
    open.filter = vec![6, 0, 0, 0, 0, 0, 255, 127];
    open.filter_sha256 = nacre_verify::digest::Digest::of(&open.filter);
    let key = folder.keys("factory").private(Role::App).unwrap();
    folder.write("open.app", &write_package(&open.sign(&key).unwrap(), &image).unwrap());
    let words = "not the filter that this nacre makes for these permissions";
    folder.app(&["inspect", "open.app"]).expect("inspect", 0, &[words]);
    let words = "the new system call filter is not the one";
    folder.app(&["diff", "new.app", "open.app"]).expect("diff", 1, &[words]);
}
