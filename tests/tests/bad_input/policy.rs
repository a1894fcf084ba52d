//! Policies that contradict each other or that no device could keep: the build names both lines.

use crate::project::{APP, Project};

/// A project with a second app, `other`, and further lines in both manifests.
fn with(tool: &str, other: &str) -> Project {
    let project = Project::new();
    std::fs::create_dir_all(project.path("apps/other")).expect("the folder is new");
    let program = std::fs::read(project.path("apps/tool/tool")).expect("the program is there");
    project
        .write("apps/other/tool", program)
        .write("apps/other/nacre.yaml", format!("{}{other}\n", APP.replace("example.tool", "example.other")))
        .write("apps/tool/nacre.yaml", format!("{APP}{tool}\n"))
        .change("images/tiny.yaml", "[../apps/tool]", "[../apps/tool, ../apps/other]");
    project
}

#[test]
fn device_given_to_two_apps_is_refused_naming_both_lines() {
    for (line, noun) in
        [("devices: { gpio: [LED1] }", "GPIO line"), ("devices: { uart: [console2] }", "UART")]
    {
        with(line, line).build_refused(
            65,
            &[
                &format!("two apps of this image are given this {noun}"),
                "--> apps/other/nacre.yaml:8:19",
                "`org.example.tool` is given it as well, at apps/tool/nacre.yaml:8:19",
                "hint:",
            ],
        );
    }
}

#[test]
fn limit_over_the_boards_is_refused_naming_both_lines() {
    let cases: [(&str, &str, &[&str]); 3] = [
        (
            "memory: 1MiB",
            "memory: 25MiB",
            &["`limits.memory`: 25MiB is more than the board has", "apps/tool/nacre.yaml:6:19"],
        ),
        (
            "tasks: 2",
            "tasks: 200",
            &["`limits.tasks`: 200 is more than the kernel keeps for one app", "apps/tool/nacre.yaml:6:32"],
        ),
        (
            "memory: 1MiB, tasks: 2, cpu: 10%, open-files: 16, tmp: 16KiB",
            "memory: 1MiB, tmp: 2MiB",
            &["`limits.tmp`: 2MiB is more than the app's memory", "apps/tool/nacre.yaml:6:30"],
        ),
    ];
    for (from, to, texts) in cases {
        let project = Project::new();
        project.change("apps/tool/nacre.yaml", from, to);
        let said = project.build_refused(65, texts);
        if !to.contains("tmp") {
            assert!(said.contains("has 24MiB of memory, at "), "{said}");
            assert!(said.contains("boards/qemu-armv7.yaml:"), "{said}");
        }
    }
}

#[test]
fn tasks_over_the_boards_in_their_sum_are_refused_naming_each_line() {
    let project = with("", "");
    project.change("apps/tool/nacre.yaml", "tasks: 2", "tasks: 120");
    project.change("apps/other/nacre.yaml", "tasks: 2", "tasks: 100");
    project.build_refused(
        65,
        &[
            "all apps of this image may have 220 tasks, and the kernel keeps 192",
            "120 at apps/tool/nacre.yaml:6:32, 100 at apps/other/nacre.yaml:6:32",
            "boards/qemu-armv7.yaml:",
            "hint:",
        ],
    );
}

#[test]
fn storage_over_the_disk_is_refused_naming_each_line() {
    let data = "storage: { data: 4MiB }";
    with(data, data).build_refused(
        65,
        &[
            "the apps may store 8388608 bytes",
            "4194304 bytes at apps/tool/nacre.yaml:8:10, 4194304 bytes at apps/other/nacre.yaml:8:10",
            "the disk has 16777216 bytes, at ",
            "boards/qemu-armv7.yaml:",
            "hint:",
        ],
    );
}
