//! Installs what is missing, and only that: a second run finds everything in place.

use std::path::Path;
use std::process::Command;

use crate::command::{Failure, output, run, say};

/// The Rust targets of the boards' programs.
const DEVICE_TARGETS: [&str; 2] = ["armv7-unknown-linux-musleabihf", "x86_64-unknown-linux-musl"];

/// A Debian package and what it is for.
pub(crate) type Package = (&'static str, &'static str);

/// Needed on every machine.
const ALWAYS: [Package; 13] = [
    ("linux-source-6.12", "the kernel's source"),
    ("gcc-arm-linux-gnueabihf", "compiles the kernel for ARM and links the device's programs"),
    ("make", "builds the kernel"),
    ("bison", "builds the kernel's configuration tool"),
    ("flex", "builds the kernel's configuration tool"),
    ("bc", "builds the kernel"),
    ("xz-utils", "unpacks the source and compresses the kernel"),
    ("libc6-dev", "the kernel's own build tools"),
    ("e2fsprogs", "makes the data filesystem"),
    ("erofs-utils", "makes the filesystem of an app package"),
    ("qemu-system-arm", "the virtual machine"),
    ("qemu-system-x86", "the virtual machine of the x86_64 board"),
    ("libelf-dev", "a tool that the x86_64 kernel is built with"),
];

/// Where rustup has no standard library for the device, it is built from Debian's sources.
const WITHOUT_RUSTUP_TARGETS: [Package; 6] = [
    ("rustc-web", "a compiler that comes with the library's sources"),
    ("cargo-web", "its cargo"),
    ("rust-web-src", "sources of the standard library"),
    ("musl:armhf", "the C library of the device's programs"),
    ("musl-dev:armhf", "the C library of the device's programs"),
    ("musl-dev", "the same for the x86_64 board"),
];

/// Second programs that judge what ours make; the tests need them.
const JUDGES: [Package; 8] = [
    ("cryptsetup-bin", "veritysetup judges the hash tree"),
    ("squashfs-tools", "unsquashfs judges the root filesystem"),
    ("gdisk", "sgdisk judges the partition table"),
    ("fsverity", "judges the digest of app images"),
    ("tar", "judges app packages"),
    ("curl", "reads panel's page"),
    ("libc6-dev-armhf-cross", "the C library that the kernel's selftests are linked with for ARM"),
    ("iproute2", "lays the cables between the namespaces in which netd is tested"),
];

/// Shows panel's page to the tests. The smallest browser of Debian that runs scripts and takes pictures: 100 MB to
/// fetch with what it needs, where the whole chromium is 124 MB.
pub(crate) const BROWSER: [Package; 2] = [
    ("chromium-headless-shell", "a browser without a screen"),
    ("fonts-dejavu-core", "letters for its pages"),
];

/// Makes the machine ready to build, run and test.
pub(crate) fn set_up() -> Result<(), Failure> {
    set_up_with(&[])
}

/// The same, and more packages.
pub(crate) fn set_up_with(more: &[Package]) -> Result<(), Failure> {
    let mut wanted = wanted();
    // One that is wanted anyway is asked for once.
    wanted.extend(more.iter().filter(|(name, _)| !JUDGES.iter().any(|(other, _)| other == name)));
    let missing: Vec<Package> = match installed() {
        Some(installed) => wanted.into_iter().filter(|(name, _)| !has(&installed, name)).collect(),
        None => return other_systems(),
    };
    install(&missing)
}

fn wanted() -> Vec<Package> {
    let mut wanted = ALWAYS.to_vec();
    if !rustup_has_targets() {
        wanted.extend(WITHOUT_RUSTUP_TARGETS);
    }
    wanted.extend(JUDGES);
    wanted
}

fn rustup_has_targets() -> bool {
    let list = output(Command::new("rustup").args(["target", "list", "--installed"])).unwrap_or_default();
    DEVICE_TARGETS.iter().all(|target| list.lines().any(|line| line.trim() == *target))
}

/// Names of the installed packages as dpkg has them, with `:arch` for foreign ones; `None` without dpkg.
fn installed() -> Option<Vec<String>> {
    let format = "${db:Status-Status} ${Package}:${Architecture}\n";
    let native = output(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    let list = output(Command::new("dpkg-query").args(["-W", "-f", format]))?;
    let names = list.lines().filter_map(|line| line.strip_prefix("installed "));
    let plain = |name: &str| match name.rsplit_once(':') {
        Some((package, arch)) if arch == native || arch == "all" => package.to_owned(),
        _ => name.to_owned(),
    };
    Some(names.map(plain).collect())
}

fn has(installed: &[String], name: &str) -> bool {
    installed.iter().any(|other| other == name)
}

fn install(missing: &[Package]) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("installing {} packages:", missing.len()));
    for (name, why) in missing {
        eprintln!("      {name:26} {why}");
    }
    let foreign = output(Command::new("dpkg").arg("--print-foreign-architectures")).unwrap_or_default();
    if missing.iter().any(|(name, _)| name.ends_with(":armhf"))
        && !foreign.lines().any(|line| line == "armhf")
    {
        run(&mut as_root("dpkg", &["--add-architecture", "armhf"])?)?;
    }
    update_lists()?;
    let mut apt = as_root("apt-get", &["install", "--yes", "--quiet", "--no-install-recommends"])?;
    apt.args(missing.iter().map(|(name, _)| name));
    run(&mut apt).map_err(|error| {
        let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
        Failure::new(format!(
            "{error}\nhint: install these by hand, then run this again: {}",
            names.join(" ")
        ))
    })
}

/// Fetches apt's lists of packages. apt gives up a whole suite when one architecture's list of it doesn't fit
/// its signed digest, as on a mirror between two states; nearly everything is wanted for the machine's own
/// architecture, so that one's lists are then fetched alone, and the others' stay as they are. That this fails as well
/// need not matter: whether the packages can be had is what the next step finds out.
fn update_lists() -> Result<(), Failure> {
    let Err(error) = run(&mut as_root("apt-get", &["update", "--quiet"])?) else { return Ok(()) };
    eprintln!("warning: {error}; fetching the lists of this machine's architecture alone");
    let native = output(Command::new("dpkg").arg("--print-architecture")).unwrap_or_default();
    let only_native = format!("APT::Architectures::={}", native.trim());
    let keep_others = "APT::Get::List-Cleanup=false";
    if let Err(error) =
        run(&mut as_root("apt-get", &["update", "--quiet", "-o", &only_native, "-o", keep_others])?)
    {
        eprintln!("warning: {error}; going on with the lists that are there");
    }
    Ok(())
}

/// `program` as root: directly, or with sudo.
fn as_root(program: &str, arguments: &[&str]) -> Result<Command, Failure> {
    let root = output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    // env(1), because sudo drops the environment: no package may ask questions.
    let mut words = vec!["env", "DEBIAN_FRONTEND=noninteractive", program];
    words.extend(arguments);
    if !root {
        if output(Command::new("sudo").arg("--version")).is_none() {
            return Err(Failure::new(format!(
                "packages are missing, and neither root nor sudo is there to install them\n\
                 hint: run as root: {program} {}",
                arguments.join(" ")
            )));
        }
        words.insert(0, "sudo");
    }
    let (first, rest) = words.split_first().ok_or_else(|| Failure::new("no program"))?;
    let mut command = Command::new(first);
    command.args(rest);
    Ok(command)
}

/// Programs to look for where packages can't be asked about.
const PROGRAMS: [(&str, &str); 17] = [
    ("arm-linux-gnueabihf-gcc", "a GCC for 32-bit ARM with hard float"),
    ("make", "GNU make"),
    ("bison", "GNU bison"),
    ("flex", "flex"),
    ("bc", "bc"),
    ("xz", "XZ utils"),
    ("mke2fs", "e2fsprogs"),
    ("debugfs", "e2fsprogs"),
    ("mkfs.erofs", "erofs-utils"),
    ("qemu-system-arm", "QEMU for ARM"),
    ("qemu-system-x86_64", "QEMU for x86_64"),
    ("veritysetup", "cryptsetup (tests)"),
    ("unsquashfs", "squashfs-tools (tests)"),
    ("sgdisk", "gdisk (tests)"),
    ("fsverity", "fsverity-utils (tests)"),
    ("curl", "curl (tests)"),
    ("ip", "iproute2 (tests)"),
];

/// Without apt: says exactly what is missing, and stops.
fn other_systems() -> Result<(), Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &str| std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file());
    let mut missing: Vec<String> = PROGRAMS
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(program, what)| format!("  {program:26} {what}"))
        .collect();
    if !rustup_has_targets() {
        let targets = DEVICE_TARGETS.join(" ");
        missing.push(format!("  {:26} rustup target add {targets}", "Rust targets"));
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "this system has no apt, and these are missing:\n{}\nhint: install them, then run this again; \
         the kernel's source is set in kernel-config/kernel.lock",
        missing.join("\n")
    )))
}
