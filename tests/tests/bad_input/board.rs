//! Boards and their kernels: names, sizes, options that cannot be, sources that are not the pinned ones.

use std::fs;
use std::os::unix::fs::symlink;

use nacre_tests::nacre::root;

use crate::project::{Project, expect};

#[test]
fn board_that_is_unknown_is_refused_with_the_places_searched() {
    let project = Project::new();
    project.change("images/tiny.yaml", "qemu-armv7", "qemu-armv9");
    project.build_refused(66, &["no board `qemu-armv9`", "tiny.yaml:5:8", "did you mean `qemu-armv7`?"]);
    let mut named = project.build();
    project.refused(
        named.args(["--board", "nowhere"]),
        66,
        &["no board `nowhere`", "hint: boards that are there: "],
    );
    let mut climbing = project.build();
    project.refused(climbing.args(["--board", "../boards/qemu-armv7"]), 65, &["../boards/qemu-armv7"]);
    let check = |name: &str| project.nacre(&["kernel", "check", "--board", name]);
    project.refused(&mut check("nowhere"), 66, &["nowhere", "hint:"]);
}

#[test]
fn board_with_a_wrong_field_names_place_and_remedy() {
    let cases: [(&str, &str, i32, &[&str]); 6] = [
        ("cmdline:", "cmdlne:", 65, &["odd.yaml:", "did you mean `cmdline`?"]),
        ("slot: 4MiB", "slot: 4MB", 65, &["odd.yaml:", "MiB"]),
        ("slot: 4MiB", "slot: 8MiB", 65, &["odd.yaml:", "hint:"]),
        ("arch: armv7", "arch: armv8", 65, &["odd.yaml:", "armv7"]),
        ("base.config", "none.config", 66, &["none.config", "odd.yaml:", "hint:"]),
        ("board: odd", "board: even", 65, &["odd.yaml", "`even`", "hint:"]),
    ];
    for (from, to, exit, texts) in cases {
        let project = Project::new();
        project.board("odd", from, to).change("images/tiny.yaml", "qemu-armv7", "odd");
        project.build_refused(exit, texts);
    }
}

#[test]
fn board_with_a_part_of_the_control_kernel_is_refused() {
    let project = Project::new();
    project.board("odd", "fragments/base.config", "control/all.config").change(
        "images/tiny.yaml",
        "qemu-armv7",
        "odd",
    );
    project.build_refused(64, &["control/all.config", "odd.yaml:", "testing: { kernel: control }"]);
}

#[test]
fn slot_too_small_for_the_image_is_refused_with_both_sizes() {
    let project = Project::new();
    project.board("small", "slot: 4MiB", "slot: 1MiB").change("images/tiny.yaml", "qemu-armv7", "small");
    project.build_refused(65, &["the slot needs ", "the board gives it 1048576", "hint:"]);
}

#[test]
fn data_partition_too_small_for_the_apps_is_refused() {
    let project = Project::new();
    project.board("small", "size: 16MiB", "size: 11MiB").change("images/tiny.yaml", "qemu-armv7", "small");
    // Something that no compression makes small.
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let noise: Vec<u8> = noise.take(4 << 20).collect();
    project.write("apps/tool/noise", noise);
    project.change("apps/tool/nacre.yaml", "tool }", "tool, /app/noise: noise }");
    project.build_refused(65, &["does not fit into the data partition", "hint:"]);
}

#[test]
fn storage_beyond_the_data_partition_is_refused_with_both_sizes() {
    let project = Project::new();
    project.change("apps/tool/nacre.yaml", "build: none", "build: none\nstorage: { data: 64MiB }");
    project.build_refused(
        65,
        &["may store 67108864 bytes", "the data partition has ", "apps/tool/nacre.yaml", "hint:"],
    );
}

#[test]
fn kernel_option_that_is_dropped_is_named_with_its_line_and_what_it_lacks() {
    let project = Project::new();
    let fragment = "# A stick.\nCONFIG_USB_STORAGE=y\n";
    project.board("stick", "qemu-armv7.config", "qemu-armv7.config\n    - stick.config");
    project.write("images/stick.config", fragment);
    let mut check = project.nacre(&["kernel", "check", "--board", "images/stick.yaml"]);
    let dropped = ["USB_STORAGE", "stick.config:2:", "SCSI"];
    project.refused(&mut check, 65, &dropped);
    project.change("images/tiny.yaml", "qemu-armv7", "stick");
    project.build_refused(65, &dropped);

    project.write("images/stick.config", "# No such thing.\nCONFIG_USB_STORAAGE=y\n");
    project.refused(&mut check, 65, &["USB_STORAAGE", "stick.config:2:", "did you mean"]);
    project.write("images/stick.config", "# A word.\nCONFIG_USB_STORAGE=yes\n");
    project.refused(&mut check, 65, &["stick.config:2:", "hint:"]);
    project.write("images/stick.config", "CONFIG_NET=y\n");
    project.refused(&mut check, 65, &["stick.config:1:", "reason"]);
}

/// A checkout whose lock is this one.
fn checkout(project: &Project, lock: &str) {
    for folder in ["checkout/image-builder", "checkout/kernel-config"] {
        fs::create_dir_all(project.path(folder)).expect("the folder is new");
    }
    project.write("checkout/Cargo.toml", "[workspace]\n").write("checkout/kernel-config/kernel.lock", lock);
    let recipes = project.path("checkout/recipes");
    let _there = fs::remove_file(&recipes);
    symlink(root().join("recipes"), recipes).expect("the name is free");
}

#[test]
fn kernel_source_that_is_not_the_pinned_one_is_refused() {
    let project = Project::new();
    let lock = |path: &str, sha256: &str| {
        let origin = format!(r#"{{ "tarball": {{ "path": "{path}" }} }}"#);
        let source = format!(r#"{{ "version": "6.12.1", "sha256": "{sha256}", "origin": {origin} }}"#);
        format!("{{ \"accept-newer-package\": false, \"sources\": [\n{source}\n] }}\n")
    };
    let zeros = "0".repeat(64);
    checkout(&project, &lock("linux.tar.xz", &zeros));
    let mut check = project.nacre(&["kernel", "check"]);
    check.env("NACRE_SOURCE", project.path("checkout"));
    project.refused(&mut check, 66, &["linux.tar.xz is not there", "hint:"]);

    project.write("checkout/kernel-config/linux.tar.xz", "not what was pinned");
    // Hashes of files that were looked at are remembered in the cache, which is not the project's.
    let said =
        project.refused(&mut check, 65, &["wrong hash", "linux.tar.xz", &zeros, "kernel.lock", "hint:"]);
    let got =
        said.split("got ").nth(1).and_then(|rest| rest.get(..64)).expect("the hash is named").to_owned();
    project.write("checkout/kernel-config/kernel.lock", lock("linux.tar.xz", &got));
    // The hash is right, and yet it is no tarball.
    project.refused(&mut check, 65, &["linux.tar.xz", "tar archive", "hint:"]);

    project.write("checkout/kernel-config/kernel.lock", lock("linux.tar.xz", "abc"));
    project.refused(&mut check, 65, &["kernel.lock", "`abc`", "hint:"]);
    project.write("checkout/kernel-config/kernel.lock", "{\n  \"sources\": oops\n}\n");
    project.refused(&mut check, 65, &["kernel.lock:2:"]);
    fs::remove_file(project.path("checkout/kernel-config/kernel.lock")).expect("it is there");
    project.refused(&mut check, 66, &["kernel.lock", "nacre kernel pin"]);
}

#[test]
fn kernel_symbol_that_does_not_exist_is_refused_with_a_near_one() {
    let project = Project::new();
    let output = project.nacre(&["kernel", "explain", "SECOMP_FILTER"]).output().expect("nacre starts");
    assert!(output.stdout.is_empty());
    expect(&output, 66, &["SECOMP_FILTER", "did you mean CONFIG_SECCOMP_FILTER?"]);
}
