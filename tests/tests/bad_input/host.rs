//! What the host lacks, and folders that cannot be used.

use std::fs;
use std::process::Command;

use nacre_tests::image::demo;

use crate::project::{Project, names};

/// A script in a mount namespace of its own, as its root; `$0` is `nacre`. The host's mounts stay as they are.
pub(crate) fn apart(project: &Project, script: &str) -> Command {
    let nacre = project.nacre(&[]);
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-euc", script]).arg(nacre.get_program());
    command.current_dir(project.path(""));
    for (name, value) in nacre.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
}

/// Takes programs away: what is no file is no program.
fn without(programs: &[&str]) -> String {
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
    let places = programs.iter().flat_map(|name| folders.map(|folder| format!("{folder}/{name}")));
    let hide = |place: String| format!("if [ -e {place} ]; then mount --bind /dev/null {place}; fi\n");
    places.map(hide).collect()
}

#[test]
fn run_without_qemu_names_the_package() {
    let project = Project::new();
    let image = demo().copy();
    let mut before = names(image.dir());
    let hide = without(&["qemu-system-arm"]);
    // The keys that the demo was signed with, in place of the project's.
    let keys = std::env::var("NACRE_KEYS")
        .map_or("unset NACRE_KEYS".into(), |keys| format!("export NACRE_KEYS='{keys}'"));
    let script = format!("{hide}{keys}; exec \"$0\" run {} --timeout 60s", image.arg());
    project.refused(
        &mut apart(&project, &script),
        66,
        &["`qemu-system-arm` is not installed", "apt-get install qemu-system-arm"],
    );
    // The working disk stays, whole: which program is missing is known only after the slot on it was
    // verified, and with it the board description that names the program.
    before.push("run".into());
    before.sort();
    assert_eq!(names(image.dir()), before);
}

#[test]
fn build_without_a_program_names_the_package() {
    let cases = [
        ("mkfs.erofs", "erofs-utils"),
        ("mke2fs", "e2fsprogs"),
        ("debugfs", "e2fsprogs"),
        ("tune2fs", "e2fsprogs"),
        ("e2fsck", "e2fsprogs"),
    ];
    let project = Project::new();
    for (program, package) in cases {
        let script = format!("{}exec \"$0\" build images/tiny.yaml --out out/tiny", without(&[program]));
        let texts = [format!("`{program}` is not installed"), format!("apt-get install {package}")];
        project.refused(&mut apart(&project, &script), 66, &texts.each_ref().map(String::as_str));
    }
}

#[test]
fn build_without_several_programs_names_them_all_at_once() {
    let project = Project::new();
    let hide = without(&["mkfs.erofs", "mke2fs", "debugfs"]);
    let script = format!("{hide}exec \"$0\" build images/tiny.yaml --out out/tiny");
    let texts =
        ["`mkfs.erofs`, `mke2fs`, `debugfs` are not installed", "apt-get install erofs-utils e2fsprogs\n"];
    project.refused(&mut apart(&project, &script), 66, &texts);
}

#[test]
fn kernel_check_without_a_compiler_names_the_package() {
    let project = Project::new();
    project.board("other", "qemu-armv7.config", "qemu-armv7.config\n    - other.config");
    project.write("images/other.config", "# A kernel that no cache has.\nCONFIG_BSD_PROCESS_ACCT=y\n");
    let hide = without(&["bison"]);
    let script = format!("{hide}exec \"$0\" kernel check --board images/other.yaml");
    project.refused(&mut apart(&project, &script), 66, &["not installed: bison", "apt-get install bison\n"]);
    let mut check = project.nacre(&["kernel", "check", "--board", "images/other.yaml"]);
    let all = ["arm-linux-gnueabihf-gcc", "hint: on Debian: apt-get install make flex bison"];
    project.refused(check.env("PATH", project.path("tmp")), 66, &all);
}

#[test]
fn output_folder_that_cannot_be_written_is_refused_by_name() {
    let project = Project::new();
    fs::create_dir(project.path("out")).expect("the folder is new");
    let script = "mount -t tmpfs -o ro,size=1m none out; exec \"$0\" build images/tiny.yaml --out out/tiny";
    project.refused(&mut apart(&project, script), 1, &["out/tiny", "Read-only file system", "--out"]);
    let build = |out: &str| project.nacre(&["build", "images/tiny.yaml", "--out", out]);
    // A file where a folder should be; files of somebody else; no name at all.
    project.refused(&mut build("images/tiny.yaml"), 64, &["images/tiny.yaml", "no folder", "hint:"]);
    project.refused(&mut build("images/tiny.yaml/x"), 65, &["images/tiny.yaml", "--out"]);
    project.refused(&mut build("apps"), 64, &["apps", "not made by `nacre build`", "hint:"]);
    project.refused(&mut build("/"), 65, &["`/`", "hint:"]);
}

#[test]
fn cache_that_cannot_be_used_is_refused_by_name() {
    let project = Project::new();
    project.write("file", "");
    let mut build = project.build();
    project.refused(build.env("NACRE_CACHE", project.path("file/cache")), 1, &["file/cache", "NACRE_CACHE"]);
    let mut build = project.build();
    project.refused(build.env("NACRE_SOURCE", project.path("apps")), 66, &["NACRE_SOURCE", "apps", "hint:"]);
}
