//! Wrong keys, missing keys, keys that lie open.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::project::{Project, expect};

/// A project with an image signed by the key set `mine`, and another set.
fn signed() -> Project {
    let project = Project::new();
    for name in ["mine", "other"] {
        let made = project.nacre(&["key", "new", name, "--development"]).output().expect("nacre starts");
        expect(&made, 0, &[]);
    }
    let mut build = project.build();
    expect(&build.args(["--keys", "mine"]).output().expect("nacre starts"), 0, &[]);
    project
}

#[test]
fn image_of_another_owner_is_refused_with_how_to_name_the_key() {
    let project = signed();
    let other = ["--root-key", "keys/other/root.pub"];
    for subject in ["out/tiny", "out/tiny/slot.img", "out/tiny/disk.img"] {
        let good = project.nacre(&["image", "verify", subject]).output().expect("nacre starts");
        expect(&good, 0, &[]);
        let verify = project.nacre(&["image", "verify", subject]).args(other).output().expect("nacre starts");
        expect(&verify, 69, &["hint:", "--root-key"]);
    }
    let mut run = project.nacre(&["run", "out/tiny", "--timeout", "60s"]);
    let output = run.args(other).output().expect("nacre starts");
    expect(&output, 69, &["hint:", "--root-key"]);
    assert!(output.stdout.is_empty(), "the console spoke");
}

#[test]
fn root_key_that_is_none_is_refused_by_name() {
    let project = signed();
    let cases = [
        ("keys/none.pub", 66),
        ("keys", 65),
        ("images/tiny.yaml", 65),
        ("keys/mine/root.key", 65),
        ("apps/tool/tool", 65),
    ];
    for (key, exit) in cases {
        for command in [["image", "verify"], ["image", "inspect"]] {
            let mut command = project.nacre(&command);
            project.refused(command.args(["out/tiny", "--root-key", key]), exit, &[key, "hint:", "root.pub"]);
        }
        let mut run = project.nacre(&["run", "out/tiny", "--timeout", "60s", "--root-key", key]);
        project.refused(&mut run, exit, &[key]);
    }
}

#[test]
fn verify_without_any_key_is_neither_good_nor_bad() {
    let project = signed();
    fs::create_dir(project.path("empty")).expect("the folder is new");
    for arguments in [["image", "verify", "out/tiny"].as_slice(), &["run", "out/tiny", "--timeout", "60s"]] {
        let mut command = project.nacre(arguments);
        let output = command.env("NACRE_KEYS", project.path("empty")).output().expect("nacre starts");
        let said = expect(&output, 66, &["hint:", "--root-key"]);
        assert!(!said.contains("as it was signed"), "{said}");
    }
    let mut inspect = project.nacre(&["image", "inspect", "out/tiny"]);
    let output = inspect.env("NACRE_KEYS", project.path("empty")).output().expect("nacre starts");
    expect(&output, 0, &[]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("not verified"));
}

#[test]
fn build_with_wrong_keys_is_refused_by_name() {
    let project = signed();
    let build = |name: &str| {
        let mut build = project.build();
        build.args(["--keys", name]);
        build
    };
    project.refused(&mut build("nobody"), 66, &["`nobody`", "nacre key new nobody"]);
    project.refused(&mut build("../keys"), 65, &["../keys", "hint:"]);

    let key = project.path("keys/mine/os.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("the key is ours");
    project.refused(&mut build("mine"), 64, &["can be read by others", "chmod 600"]);
    fs::copy(project.path("keys/other/os.key"), &key).expect("the key is ours");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("the key is ours");
    project.refused(&mut build("mine"), 64, &["os key", "not in the signed key set `mine`", "hint:"]);
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\n!!!\n-----END PRIVATE KEY-----\n")
        .expect("the key is ours");
    project.refused(&mut build("mine"), 65, &["os.key", "PEM", "hint:"]);
    fs::remove_file(&key).expect("the key is ours");
    project.refused(&mut build("mine"), 66, &["os.key", "hint:"]);
    fs::copy(project.path("keys/other/root.pub"), project.path("keys/mine/root.pub")).expect("it is there");
    project.refused(&mut build("mine"), 69, &["mine"]);
}

#[test]
fn production_image_with_development_keys_is_refused() {
    let project = Project::new();
    project.change("images/tiny.yaml", "profile: development", "profile: production");
    project.build_refused(64, &["development keys", "nacre key new"]);
}
