//! Images that are damaged, are none, or are in use.

use std::fs::{self, File};
use std::path::Path;
use std::process::Output;

use nacre_tests::image::{Image, demo};
use nacre_tests::nacre::run;
use nacre_tests::vm::Vm;

use crate::project::{expect, names};

const APP: &str = "org.nacre.recorder.app";

fn cut(path: &Path, bytes: u64) {
    File::options().write(true).open(path).expect("the file is there").set_len(bytes).expect("it is ours");
}

fn verify(path: &str) -> Output {
    run(&["image", "verify", path])
}

fn refused_to_run(image: &Image) {
    let before = names(image.dir());
    let output = run(&["run", image.arg(), "--timeout", "60s"]);
    expect(&output, 69, &["nothing was started", "hint:"]);
    assert!(output.stdout.is_empty(), "the console spoke");
    let added: Vec<_> = names(image.dir()).into_iter().filter(|name| !before.contains(name)).collect();
    assert!(added.iter().all(|name| name == "run"), "{added:?}");
}

#[test]
fn image_cut_or_grown_is_refused_everywhere() {
    for name in ["slot.img", "disk.img", APP] {
        let image = demo().copy();
        let path = image.dir().join(name);
        let whole = fs::read(&path).expect("the file is there");
        let length = whole.len() as u64;
        for bytes in [0, 1, 511, 4096, length / 2, length - 1, length + 1, length + 4096] {
            fs::write(&path, &whole).expect("the copy is ours");
            cut(&path, bytes);
            let output = verify(&image.file(name));
            let code = output.status.code();
            let said = expect(&output, code.unwrap_or(-1), &[]);
            // Less than a sector behind a disk is no part of it.
            if name == "disk.img" && code == Some(0) {
                assert!(bytes > length && bytes < length + 512, "{bytes} of {length} bytes");
                continue;
            }
            assert!(said.contains(name), "{said}");
            // What is too short to be known as an image is bad input, and nothing that was signed.
            let good = code == Some(69) || code == Some(65) && bytes <= 4096;
            assert!(good, "{name} with {bytes} of {length} bytes: {code:?}\n{said}");
            let inspected = run(&["image", "inspect", &image.file(name)]);
            let text = String::from_utf8_lossy(&inspected.stdout).into_owned();
            let honest = inspected.status.code() == Some(65) && text.is_empty()
                || inspected.status.success()
                    && (text.contains("not verified") || text.contains("verified: NO"));
            assert!(honest, "{name} with {bytes} of {length} bytes: {:?}\n{text}", inspected.status);
        }
    }
}

#[test]
fn disk_cut_or_damaged_is_not_started() {
    let image = demo().copy();
    let path = image.dir().join("disk.img");
    let length = fs::metadata(&path).expect("the file is there").len();
    cut(&path, length / 4);
    refused_to_run(&image);
    cut(&path, 0);
    refused_to_run(&image);

    let image = demo().copy();
    let (slot, bytes, _) = image.partition("slot-a");
    for offset in [slot, slot + bytes - 65_536, slot + bytes - 1] {
        image.flip("disk.img", offset);
        refused_to_run(&image);
        image.flip("disk.img", offset);
    }
}

#[test]
fn folder_with_a_damaged_part_names_it_among_the_good_ones() {
    let image = demo().copy();
    image.flip(APP, 600);
    let output = verify(image.arg());
    expect(&output, 69, &[APP, "not as it was signed"]);
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in ["slot.img", "disk.img", "org.nacre.reporter.app"] {
        assert!(listed.contains(name), "{listed}");
    }
    let output = run(&["image", "verify", "--json", image.arg()]);
    assert_eq!(output.status.code(), Some(69));
    let verdicts: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line is an object"))
        .map(|value| value["verdict"].as_str().expect("a verdict").to_owned())
        .collect();
    assert_eq!(verdicts.iter().filter(|verdict| *verdict == "bad").count(), 1, "{verdicts:?}");
}

#[test]
fn board_changed_after_signing_is_refused_by_verify_and_run() {
    let image = demo().copy();
    let path = image.dir().join("board.yaml");
    let good = fs::read_to_string(&path).expect("a board is text");
    let output = verify(image.arg());
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("good: board.yaml"), "{output:?}");
    // An option with which QEMU writes a file of somebody's choice; one byte more; no board, no text, nothing.
    let written = image.dir().with_file_name("written");
    let other = good.replace("args:\n", &format!("args:\n    - -pidfile\n    - {}\n", written.display()));
    assert_ne!(other, good);
    let cases = [other.into_bytes(), [good.as_bytes(), b"\n"].concat(), b"x".to_vec(), vec![0xff], vec![]];
    for changed in cases {
        fs::write(&path, changed).expect("the copy is ours");
        let output = verify(image.arg());
        expect(&output, 69, &["board.yaml", "not as it was signed", "build again", "hint:"]);
        let output = run(&["image", "verify", "--json", image.arg()]);
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(listed.contains(r#""part":"board description""#), "{listed}");
        refused_to_run(&image);
        let output = run(&["run", image.arg(), "--timeout", "60s"]);
        expect(&output, 69, &["board.yaml", "changed after it was signed", "build again"]);
        assert!(!written.exists(), "QEMU was started with the options of another board");
    }
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("text"), "hello\n").expect("the folder is ours");
    for command in ["verify", "inspect"] {
        let refused = |name: &str, exit: i32| {
            let output = run(&["image", command, &path(name)]);
            expect(&output, exit, &[&path(name), "hint:"]);
            assert!(output.stdout.is_empty());
        };
        refused("none", 66);
        refused("", 66);
        refused("text", 65);
    }
    let refused = |name: &str, exit: i32, text: &str| {
        expect(&run(&["run", &path(name)]), exit, &[&path(name), text, "hint:"]);
    };
    refused("none", 66, "no folder");
    refused("", 66, "board.yaml");
    refused("text", 66, "no folder");
    // Not even parsed: without a disk nothing says that it was signed.
    fs::write(path("board.yaml"), "board: x\nmemroy: 1\n").expect("the folder is ours");
    refused("", 66, "disk.img");
    expect(&run(&["device", "--dir", &path(""), "info"]), 66, &["hint:"]);
}

#[test]
fn image_in_use_is_left_alone_by_run_and_build() {
    let image = demo().copy();
    let mut vm = Vm::start(&image, &["--timeout", "120s"]);
    vm.wait_for("verified demo");
    let slot = fs::read(image.dir().join("slot.img")).expect("the file is there");
    let before = names(image.dir());
    expect(&run(&["run", image.arg(), "--timeout", "60s"]), 75, &["in use", image.arg(), "hint:"]);
    expect(&run(&["run", image.arg(), "--timeout", "60s", "--fresh"]), 75, &["in use", "hint:"]);
    let build = run(&["build", "recipes/images/demo.yaml", "--out", image.arg()]);
    expect(&build, 75, &["is in use", image.arg(), "hint:"]);
    assert!(build.stdout.is_empty());
    assert_eq!(fs::read(image.dir().join("slot.img")).expect("the file is there"), slot);
    assert_eq!(names(image.dir()), before);
    // The one that has it goes on.
    vm.wait_for("reporter|appmgr|init");
}
