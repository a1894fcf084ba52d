//! The real kernel source: its whole option tree is read, the fragments come out as asked, and the trap
//! of `IPC_NS` is caught. Needs the pinned source and the ARM compiler, which set-up installs.

use std::path::{Path, PathBuf};

use nacre_kernel_config::{
    Arch, CheckKernelError, Fragments, HardeningLists, KernelRequest, Progress, Source, Verdict,
};

/// The same cache that builds use, so that the source is unpacked once.
fn cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from);
    from("NACRE_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("nacre")))
        .or_else(|| from("HOME").map(|home| home.join(".cache/nacre")))
        .unwrap_or_else(std::env::temp_dir)
}

fn request(fragments: Fragments) -> KernelRequest {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernel.lock");
    KernelRequest {
        arch: Arch::Arm,
        cross: "arm-linux-gnueabihf-".to_owned(),
        image_target: "zImage".to_owned(),
        fragments,
        source: Source::from_lock(&lock).unwrap_or_else(|error| panic!("{error}")),
    }
}

/// The shipped fragments' texts, changed by `change`.
fn fragments(change: impl Fn(String) -> String) -> Fragments {
    let files = ["base", "hardening", "sandbox", "verity", "network", "devices", "qemu-armv7"].map(|name| {
        let name = format!("fragments/{name}.config");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
        (PathBuf::from(name), std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{error}")))
    });
    let changed = files.map(|(name, text)| (name, change(text)));
    let named: Vec<(&Path, &str)> =
        changed.iter().map(|(name, text)| (name.as_path(), text.as_str())).collect();
    Fragments::parse(&named).unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

#[test]
fn shipped_fragments_come_out_as_asked() {
    match request(fragments(|text| text)).check(&cache(), &Progress::silent()) {
        Ok(report) => assert!(report.options > 100 && report.enabled > report.options, "{report:?}"),
        Err(error) => panic!("{:?}", nacre_diag::Report::from(&error)),
    }
}

#[test]
fn control_kernels_come_out_as_asked() {
    let load = |folder: &str, names: &[&str]| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files: Vec<PathBuf> = names.iter().map(|name| here.join(format!("{name}.config"))).collect();
        Fragments::load(&files).unwrap_or_else(|error| panic!("{error}"))
    };
    let shared = ["base", "hardening", "sandbox", "verity", "network", "devices"];
    let arm = request(Fragments::default());
    let x86_64 = KernelRequest {
        arch: Arch::X86_64,
        cross: String::new(),
        image_target: "bzImage".to_owned(),
        ..arm.clone()
    };
    for (request, board) in [(arm, "qemu-armv7"), (x86_64, "qemu-x86_64")] {
        let product = load("fragments", &[&shared[..], &[board]].concat());
        let control = load("control", &["all", request.arch.name()]);
        assert!(control.have_modules() && !product.have_modules());
        let fragments = product.replaced_by(control).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let request = KernelRequest { fragments, ..request };
        if let Err(error) = request.check(&cache(), &Progress::silent()) {
            panic!("{board}: {:?}", nacre_diag::Report::from(&error));
        }
    }
}

#[test]
fn shipped_lists_say_of_every_recommended_setting_what_became_of_it() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lists = HardeningLists {
        recommended: here.join("hardening/kspp.list"),
        left_out: here.join("hardening/left-out.list"),
        sysctls: vec![here.join("../init/src/sysctl.conf"), here.join("../appmgr/daemon/src/network.conf")],
        command_line: "console=ttyAMA0 slab_nomerge".to_owned(),
    };
    let check = |fragments: Fragments| {
        request(fragments)
            .hardening(&lists, &cache(), &Progress::silent())
            .unwrap_or_else(|error| panic!("{:?}", nacre_diag::Report::from(&error)))
    };
    let report = check(fragments(|text| text));
    assert_eq!(report.findings, []);
    assert!(report.settings.len() > 120 && report.count(Verdict::Kept) > 80, "{report}");

    let text = report.to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let without = fragments(|text| text.replace("CONFIG_VMAP_STACK=y", "CONFIG_VMAP_STACK=n"));
    let texts: Vec<_> = check(without).findings.iter().map(ToString::to_string).collect();
    let expected = "CONFIG_VMAP_STACK=y is recommended, is n, and is not listed as left out";
    assert_eq!(texts, [expected]);
}

#[test]
fn ipc_namespace_without_its_dependency_is_caught() {
    let without = fragments(|text| text.replace("CONFIG_POSIX_MQUEUE=y", "CONFIG_POSIX_MQUEUE=n"));
    let line = without.get("IPC_NS").map_or(0, |asked| asked.line);
    match request(without).check(&cache(), &Progress::silent()) {
        Ok(report) => panic!("not caught: {report:?}"),
        Err(CheckKernelError::Differs(found)) => {
            let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(
                texts,
                [format!(
                    "CONFIG_IPC_NS: asked y, is n: depends on (SYSVIPC || POSIX_MQUEUE), \
                     where SYSVIPC=n and POSIX_MQUEUE=n (fragments/sandbox.config:{line})"
                )]
            );
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn option_tree_of_the_real_kernel_is_read_whole() {
    let request = request(fragments(|text| text));
    let resolved = request.source.resolve(&cache()).unwrap_or_else(|error| panic!("{error}"));
    // Explaining a symbol unpacks the source.
    let explained = request
        .explain(&cache(), &Progress::silent(), "CONFIG_SECURITY_LANDLOCK")
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(explained.value, "y");
    assert!(explained.help.is_some_and(|help| help.contains("Landlock is a sandboxing mechanism")));
    let source = cache().join("kernel/source").join(&resolved.sha256);
    let tree =
        nacre_kernel_config::kconfig::Tree::read(&source, "arm").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(tree.unread, []);
    assert!(tree.symbols.len() > 10_000, "{} symbols", tree.symbols.len());
}
