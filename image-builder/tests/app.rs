//! `nacre app` as its user meets it: screens, exit codes, and what was there stays.
//!
//! Screens stand in `tests/app`. With `NACRE_BLESS=1` in the environment they are written anew; look at the difference
//! before it is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of a user who has no checkout in it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn nacre(&self, arguments: &[&str]) -> Output {
        self.command(arguments).env("NO_COLOR", "1").output().unwrap()
    }

    /// What a person sees on a terminal of 80 columns. Colours add nothing to it.
    fn screen(&self, arguments: &[&str]) -> Output {
        let look = |colour| {
            let arguments = [arguments, &["--color", colour]].concat();
            self.command(&arguments).env("COLUMNS", "80").output().unwrap()
        };
        let painted = look("always");
        let plain = look("never");
        let without =
            regex::Regex::new("\x1b\\[[0-9;]*m").unwrap().replace_all(&said(&painted), "").into_owned();
        assert_eq!(masked(&without), masked(&said(&plain)), "{arguments:?}");
        assert!(!said(&plain).contains('\x1b'), "{arguments:?}");
        for line in said(&plain).lines() {
            assert!(line.chars().count() <= 80, "{arguments:?}: {line}");
        }
        plain
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_nacre"));
        command
            .current_dir(self.0.path())
            .args(arguments)
            .env("NACRE_SOURCE", checkout)
            .env_remove("COLUMNS");
        command
            .env("NACRE_KEYS", self.path("keys"))
            .env("NACRE_CACHE", self.path("cache"))
            .env("NACRE_STATE", self.path("state"));
        command
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.nacre(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Expects this exit code and these texts.
    fn refused(&self, arguments: &[&str], exit: i32, texts: &[&str]) {
        let output = self.nacre(arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        for text in texts {
            assert!(said.contains(text), "{arguments:?}: no `{text}` in:\n{said}");
        }
    }

    /// Changes a file: `from` must be in it.
    fn change(&self, file: &str, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "`{from}` is not in {file}");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
        self
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn screen(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/app").join(format!("{name}.txt"));
    if std::env::var_os("NACRE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, found).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "{} differs; NACRE_BLESS=1 writes it anew", path.display());
}

/// The same for a package in a report of what fits.
fn masked_package(text: &str) -> String {
    regex::Regex::new(r"package +\d+KiB").unwrap().replace_all(text, "package N").into_owned()
}

/// Sizes are the compiler's, and how long something took is the machine's.
fn masked(text: &str) -> String {
    let sizes = regex::Regex::new(r"(?m) [\d ]*\d$").unwrap();
    let times = regex::Regex::new(r"(?m)^building .*\n").unwrap();
    times.replace_all(&sizes.replace_all(text, " N"), "").into_owned()
}

#[test]
fn screens_read_well() {
    let desk = Desk::new();
    screen("new", &said(&desk.nacre(&["app", "new", "greeter"])));
    screen("check", &said(&desk.screen(&["app", "check", "greeter"])));
    desk.done(&["key", "new", "factory"]);
    desk.done(&["app", "new", "tool", "--lang", "c"]);
    desk.change("tool/nacre.yaml", "# It accepts", "storage: { data: 64KiB }\n# It accepts");
    let build = ["app", "build", "tool", "--keys", "factory"];
    screen("build", &masked(&said(&desk.screen(&build))));
    screen("check-with-package", &masked_package(&said(&desk.screen(&["app", "check", "tool"]))));
    fs::write(desk.path("program"), fs::read("/proc/self/exe").unwrap()).unwrap();
    let pack = ["app", "pack", "tool", "--keys", "factory", "--program", "program"];
    screen("pack-of-another-name", &said(&desk.screen(&pack)));
    fs::rename(desk.path("program"), desk.path("tool/tool")).unwrap();
    let pack = ["app", "pack", "tool", "--keys", "factory", "--program", "tool/tool"];
    screen("pack-of-another-machine", &said(&desk.screen(&pack)));
    desk.change("greeter/nacre.yaml", "memory: 1MiB", "memory: 1GB").change(
        "greeter/nacre.yaml",
        "restart:",
        "restrat:",
    );
    desk.change("greeter/nacre.yaml", "tcp:8080", "tpc:8080");
    desk.change("greeter/nacre.yaml", "version:", "env: { LANG: de }\nversion:");
    let output = desk.screen(&["app", "check", "greeter"]);
    assert_eq!(output.status.code(), Some(65));
    screen("check-mistakes", &said(&output));
    let json: serde_json::Value =
        serde_json::from_slice(&desk.nacre(&["app", "check", "greeter", "--json"]).stdout).unwrap();
    let json = json.to_string();
    assert!(json.contains(r#""line":12"#) && json.contains("restrat"), "{json}");
}

#[test]
fn capability_reads_well_before_anybody_presents_it() {
    let desk = Desk::new();
    desk.done(&["key", "new", "factory"]);
    let (id, nonce) = ("ab".repeat(32), "cd".repeat(16));
    let new = ["device", "capability", "new", "--device", &id, "--nonce", &nonce, "--allow", "sideload"];
    let more = ["--boots", "3", "--keys", "factory", "--out", "thermostat.cap"];
    desk.done(&[&new[..], &more].concat());
    let shown = said(&desk.screen(&["device", "capability", "show", "thermostat.cap"]));
    let key = regex::Regex::new("(?m)^  [0-9a-f]{32}$").unwrap();
    screen("capability", &key.replace_all(&shown, "  KEY"));
    // Half of a file says nothing.
    let whole = fs::read(desk.path("thermostat.cap")).unwrap();
    fs::write(desk.path("thermostat.cap"), &whole[..whole.len() / 2]).unwrap();
    let output = desk.nacre(&["device", "capability", "show", "thermostat.cap"]);
    assert!(matches!(output.status.code(), Some(65 | 69)), "{}", said(&output));
}

#[test]
fn runs_here_and_what_was_learned_of_them_read_well() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("meter/src")).unwrap();
    let source = "#include <fcntl.h>\n#include <stdio.h>\n#include <sys/socket.h>\nint main(void) {\n\
                  int file = open(\"/data/count\", O_WRONLY | O_CREAT, 0600);\n\
                  int line = socket(AF_INET, SOCK_RAW, 0);\n\
                  printf(\"count %s, line %s\\n\", file < 0 ? \"no\" : \"yes\", line < 0 ? \"no\" : \"yes\");\n\
                  return 3; }\n";
    fs::write(desk.path("meter/src/main.c"), source).unwrap();
    let manifest = "app: com.example.meter\nversion: 1.0.0\nbuild: c\nrun: [/app/bin/meter]\n\n\
                    # Not yet.\nsystem: [stats]\n";
    fs::write(desk.path("meter/nacre.yaml"), manifest).unwrap();
    // The launcher is built by the first run, which says so, for so many seconds.
    desk.nacre(&["app", "run", "meter"]);
    let output = desk.nacre(&["app", "run", "meter"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    // Whose uid it has is another matter for root than for others.
    let plain: String = said(&output)
        .lines()
        .filter(|line| !line.contains("a uid of its own"))
        .map(|line| format!("{line}\n"))
        .collect();
    screen("run", &plain);
    screen("learn", &desk.done(&["app", "learn", "meter"]));
    let json: serde_json::Value =
        serde_json::from_slice(&desk.nacre(&["app", "learn", "meter", "--json"]).stdout).unwrap();
    assert_eq!(json["new"][0]["field"], "storage.data");
    assert_eq!(json["complete"], false);
    assert_eq!(fs::read_to_string(desk.path("meter/nacre.yaml")).unwrap(), manifest, "nobody asked for it");
    desk.nacre(&["app", "build", "meter", "--board", "qemu-armv7"]);
    desk.refused(
        &["app", "run", "out/com.example.meter-armv7.app"],
        64,
        &["is for armv7, and this machine is not", "--board qemu-x86_64"],
    );
    desk.nacre(&["app", "build", "meter", "--board", "qemu-x86_64"]);
    let package = desk.nacre(&["app", "run", "out/com.example.meter-x86_64.app"]);
    assert_eq!(package.status.code(), Some(3), "{}", said(&package));
    assert_eq!(package.stdout, output.stdout, "the package does what the folder does");
    desk.refused(&["app", "learn", "out/com.example.meter-x86_64.app"], 64, &["name the app's folder"]);
}

#[test]
fn app_in_c_is_built_and_the_same_each_time() {
    let desk = Desk::new();
    desk.done(&["app", "new", "greeter", "--lang", "c"]);
    for board in ["qemu-armv7", "qemu-x86_64"] {
        let built = |file: &str| {
            desk.done(&["app", "build", "greeter", "--board", board, "--out", file]);
            fs::read(desk.path(file)).unwrap()
        };
        let (first, second) = (built("a.app"), built("b.app"));
        assert_eq!(first, second, "{board}");
        // What the issue of the app developer's day allows: 40 KB.
        assert!(first.len() < 40_000, "{board}: {} bytes", first.len());
        assert!(said(&desk.nacre(&["image", "verify", "a.app"])).contains("com.example.greeter"));
    }
    let json = desk.done(&["app", "build", "greeter", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["path"], "out/com.example.greeter-armv7.app");
    assert_eq!(json["size"]["app"], "com.example.greeter");
}

#[test]
fn app_that_is_wrong_names_place_and_remedy_and_leaves_what_was_there() {
    let desk = Desk::new();
    desk.refused(&["app", "check"], 66, &["nacre.yaml"]);
    desk.refused(&["app", "new", "Greeter"], 65, &["can't be the name of an app", "hint:"]);
    desk.done(&["app", "new", "greeter", "--lang", "c"]);
    desk.refused(&["app", "new", "greeter"], 64, &["is there already"]);
    desk.refused(&["app", "check", "greeter", "--board", "qemu-armv6"], 66, &["did you mean `qemu-armv7`?"]);
    desk.refused(&["app", "check", "greeter", "--board", "none.yaml"], 66, &["none.yaml"]);

    desk.done(&["app", "build", "greeter", "--out", "good.app"]);
    let good = fs::read(desk.path("good.app")).unwrap();
    let build = ["app", "build", "greeter", "--out", "good.app"];
    desk.change("greeter/src/main.c", "int main", "int mian() { return x; }\nint main");
    desk.refused(&build, 65, &["can't build", "undeclared", "main.c"]);
    fs::remove_dir_all(desk.path("greeter/src")).unwrap();
    desk.refused(&build, 66, &["there is no folder `src`", "greeter/nacre.yaml:7:8", "hint:"]);
    desk.change("greeter/nacre.yaml", "build: c ", "build: cargo ");
    desk.refused(&build, 66, &["there is no Cargo.toml", "greeter/nacre.yaml:7:8"]);
    assert_eq!(fs::read(desk.path("good.app")).unwrap(), good);

    // More than the board has: each by its line.
    desk.done(&["app", "new", "hungry"]);
    desk.change("hungry/nacre.yaml", "memory: 1MiB", "memory: 64MiB");
    desk.refused(&["app", "check", "hungry"], 65, &["more than the board has", "hungry/nacre.yaml:11:"]);
}

#[test]
fn app_is_held_against_the_other_apps_of_an_image() {
    let desk = Desk::new();
    for name in ["one", "two"] {
        desk.done(&["app", "new", name]);
    }
    let recipe = "image: pair\nversion: 1.0.0\nrollback-index: 1\nprofile: development\nboard: qemu-armv7\napps: [one, two]\n";
    fs::write(desk.path("pair.yaml"), recipe).unwrap();
    let with = ["app", "check", "two", "--recipe", "pair.yaml"];
    desk.refused(
        &with,
        65,
        &["two apps of this image listen on this port", "two/nacre.yaml", "one/nacre.yaml"],
    );
    desk.done(&["app", "check", "two"]);
    desk.change("two/nacre.yaml", "8080", "8081");
    desk.done(&with);
}

/// A manifest whose programs a command makes.
fn with_command(desk: &Desk, name: &str, command: &str, script: &str) {
    desk.done(&["app", "new", name, "--lang", "c"]);
    desk.change(
        &format!("{name}/nacre.yaml"),
        "build: c          # src/*.c, with musl",
        &format!("build: {command}"),
    );
    fs::write(desk.path(&format!("{name}/build.sh")), script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(desk.path(&format!("{name}/build.sh")), mode).unwrap();
}

const BUILD: &str =
    "#!/bin/sh\nset -e\nenv | cut -d= -f1 | sort > seen\n$CC -Os -o \"$NACRE_OUT/greeter\" src/*.c\n";

#[test]
fn app_built_by_a_command_is_the_same_each_time_and_leaves_its_folder_alone() {
    let desk = Desk::new();
    with_command(&desk, "greeter", "[./build.sh]", BUILD);
    // What a build of ours leaves, and a history, are not the command's business.
    for folder in ["greeter/out", "greeter/.git", "greeter/target"] {
        fs::create_dir(desk.path(folder)).unwrap();
    }
    fs::write(desk.path("greeter/target/CACHEDIR.TAG"), "").unwrap();
    desk.change(
        "greeter/build.sh",
        "set -e",
        "set -e\ntest ! -e out; test ! -e .git; test ! -e target; test -e src/main.c",
    );
    for board in ["qemu-armv7", "qemu-x86_64"] {
        let built = |file: &str| {
            desk.done(&["app", "build", "greeter", "--board", board, "--out", file]);
            fs::read(desk.path(file)).unwrap()
        };
        assert_eq!(built("a.app"), built("b.app"), "{board}");
        assert!(said(&desk.nacre(&["image", "verify", "a.app"])).contains("com.example.greeter"));
    }
    assert!(!desk.path("greeter/seen").exists(), "the command worked in the app's own folder");
    // Nothing of this process's variables but PATH: two names that the tests themselves set are not there.
    desk.change(
        "greeter/build.sh",
        "sort > seen",
        "sort > seen; ! grep -qx -e NACRE_KEYS -e NO_COLOR -e USER seen",
    );
    desk.change("greeter/build.sh", "$CC", "test \"$SOURCE_DATE_EPOCH$TZ\" = 315532800UTC; $CC");
    desk.done(&["app", "build", "greeter"]);
}

#[test]
fn command_that_fails_or_leaves_no_program_says_what_to_do() {
    let desk = Desk::new();
    with_command(&desk, "greeter", "[./build.sh]", BUILD);
    let build = ["app", "build", "greeter", "--out", "good.app"];
    desk.done(&build);
    let good = fs::read(desk.path("good.app")).unwrap();
    let script =
        |text: &str| fs::write(desk.path("greeter/build.sh"), format!("#!/bin/sh\n{text}\n")).unwrap();
    let place = "greeter/nacre.yaml:7:8";
    let cases: [(&str, &[&str]); 7] = [
        ("echo no such header; exit 3", &["failed: exit status: 3", "no such header", place, "NACRE_OUT"]),
        ("true", &["left nothing in the folder $NACRE_OUT", "cp greeter", place]),
        ("echo '#!/bin/sh' > $NACRE_OUT/greeter", &["not a complete ELF executable", "nacre.yaml:8:"]),
        ("ln -s /etc/passwd $NACRE_OUT/greeter", &["`greeter` in $NACRE_OUT is not a file", place]),
        ("mkdir $NACRE_OUT/bin", &["`bin` in $NACRE_OUT is not a file"]),
        ("mkfifo $NACRE_OUT/greeter", &["is not a file"]),
        ("cp /bin/true $NACRE_OUT/greeter", &["can't run on the board", "it is for x86_64"]),
    ];
    for (text, words) in cases {
        script(text);
        desk.refused(&build, 65, words);
    }
    script("echo x > $NACRE_OUT/other");
    desk.refused(&build, 66, &["there is no `/app/bin/greeter`", "/app/bin/other"]);
    fs::remove_file(desk.path("greeter/build.sh")).unwrap();
    desk.refused(&build, 66, &["there is no program `./build.sh`", place, "hint:"]);
    desk.change("greeter/nacre.yaml", "[./build.sh]", "[make-nothing-of-it]");
    desk.refused(&build, 66, &["there is no program `make-nothing-of-it`", "install it"]);
    desk.change("greeter/nacre.yaml", "[make-nothing-of-it]", "make greeter");
    desk.refused(&build, 65, &["a command is a list of words: `build: [make, greeter]`"]);
    assert_eq!(fs::read(desk.path("good.app")).unwrap(), good);
}

#[test]
fn program_that_knows_where_it_was_made_is_named() {
    let desk = Desk::new();
    with_command(&desk, "greeter", "[./build.sh]", BUILD);
    // As debug information would.
    desk.change("greeter/build.sh", "src/*.c", "src/*.c; pwd >> $NACRE_OUT/greeter");
    let output = desk.nacre(&["app", "build", "greeter"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("has the path of the folder in it in which it was made"),
        "{}",
        said(&output)
    );
}

#[test]
fn programs_that_are_built_already_are_packed_as_they_are() {
    let desk = Desk::new();
    with_command(&desk, "greeter", "[./build.sh]", BUILD);
    desk.change(
        "greeter/build.sh",
        "src/*.c",
        &format!("src/*.c; cp $NACRE_OUT/greeter {}", desk.path("greeter.bin").display()),
    );
    desk.done(&["app", "build", "greeter", "--out", "built.app"]);
    fs::create_dir(desk.path("dist")).unwrap();
    fs::rename(desk.path("greeter.bin"), desk.path("dist/greeter")).unwrap();
    // The sources are of no interest any more.
    fs::remove_dir_all(desk.path("greeter/src")).unwrap();
    let pack = |program: &str| {
        ["app", "pack", "greeter", "--out", "packed.app", "--program"]
            .map(str::to_owned)
            .into_iter()
            .chain([program.to_owned()])
            .collect::<Vec<_>>()
    };
    for program in ["dist", "dist/greeter"] {
        let arguments = pack(program);
        desk.done(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(fs::read(desk.path("packed.app")).unwrap(), fs::read(desk.path("built.app")).unwrap());
    }
    let json = desk.done(&["app", "pack", "greeter", "--program", "dist", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["path"], "out/com.example.greeter-armv7.app");

    desk.refused(&["app", "pack", "greeter"], 66, &["there is no program to pack", "--program PATH/greeter"]);
    desk.refused(&["app", "pack", "greeter", "--program", "none"], 66, &["none"]);
    desk.refused(
        &["app", "pack", "greeter", "--program", "dist", "--board", "qemu-x86_64"],
        65,
        &["it is for 32-bit ARM"],
    );
    desk.refused(
        &["app", "pack", "greeter", "--program", "dist", "--program", "dist/greeter"],
        65,
        &["two programs are called `greeter`"],
    );
    std::os::unix::fs::symlink("/etc/passwd", desk.path("dist/extra")).unwrap();
    desk.refused(&["app", "pack", "greeter", "--program", "dist"], 65, &["`dist/extra` is not a file"]);
    desk.refused(&["app", "pack", "greeter", "--program", "/dev/null"], 65, &["is no program"]);
}

#[test]
fn what_is_asked_for_and_not_used_is_told_once_there_is_a_package() {
    let desk = Desk::new();
    desk.done(&["app", "new", "greeter", "--lang", "c"]);
    let check = |words: bool| {
        let output = desk.nacre(&["app", "check", "greeter"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert_eq!(said(&output).contains("is probably not used"), words, "{}", said(&output));
        said(&output)
    };
    // The template asks for nothing that it doesn't use, and both languages' word is taken.
    let build = ["app", "build", "greeter"];
    assert!(!said(&desk.nacre(&build)).contains("probably"));
    check(false);
    desk.change("greeter/nacre.yaml", "# It accepts", "storage: { data: 64KiB }\n# It accepts");
    // What was built before says nothing of this manifest.
    check(false);
    let output = said(&desk.nacre(&build));
    assert!(
        output.contains("`storage.data` is probably not used: nothing in the app says `/data`"),
        "{output}"
    );
    let output = check(true);
    assert!(
        output.contains("out/com.example.greeter-armv7.app") && output.contains("greeter/nacre.yaml:"),
        "{output}"
    );
    let json = desk.done(&["app", "check", "greeter", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["warnings"].as_array().map(Vec::len), Some(1), "{json}");
    assert_eq!(json["fit"][3]["what"], "package");
    // The same program, which now says it.
    desk.change(
        "greeter/src/main.c",
        "strcmp(argv[i], \"--port\")",
        "strcmp(argv[i], \"/data/x\") && strcmp(argv[i], \"--port\")",
    );
    let output = said(&desk.nacre(&build));
    assert!(!output.contains("probably"), "{output}");
}

/// Nobody is told of the apps that ship, each found in the tree, that they don't use what they ask for. Built as they
/// ship, with the cache of the machine: their standard library takes minutes to make.
#[test]
fn apps_of_the_tree_are_not_said_to_ask_for_what_they_do_not_use() {
    let desk = Desk::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut count = 0;
    for entry in fs::read_dir(top.join("recipes/apps")).unwrap() {
        let folder = entry.unwrap().path();
        let arguments = ["app", "build", folder.to_str().unwrap(), "--out", "a.app"];
        let output = desk.command(&arguments).env_remove("NACRE_CACHE").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(!said(&output).contains("probably"), "{}", said(&output));
        count += 1;
    }
    assert!(count >= 3, "{count}");
    // Positive control, in Rust as they are.
    desk.done(&["app", "new", "greeter"]);
    desk.change("greeter/nacre.yaml", "# It accepts", "storage: { data: 64KiB }\n# It accepts");
    let output = desk.command(&["app", "build", "greeter"]).env_remove("NACRE_CACHE").output().unwrap();
    assert!(said(&output).contains("`storage.data` is probably"), "{}", said(&output));
}
