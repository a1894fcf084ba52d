//! Building, with a kernel of a few lines and a compiler that only says its version: caching, two runs at
//! once, failing and interrupted builds. Needs the programs of a kernel build (make, bison …); without
//! them it says so and tests nothing.

use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nacre_diag::{ExitCode, Report};
use nacre_kernel_config::{
    Arch, BuildKernelError, BuiltKernel, Fragments, KernelRequest, Progress, Source, pin,
};

/// A kernel whose options choose how its build goes; each build adds a line to `builds` beside it.
const MAKEFILE: &str = r#"
VERSION = 1
PATCHLEVEL = 2
SUBLEVEL = 3
allnoconfig:
	grep =y $(KCONFIG_ALLCONFIG) > $(O)/.config; true
zImage:
	echo built >> builds
	@echo "  CC      init.o"
	@if grep -q SLOW=y $(O)/.config; then touch sleeping; sleep 60; fi
	@if grep -q MOVING=y $(O)/.config; then echo CONFIG_MOVED=y >> $(O)/.config; fi
	@if grep -q BROKEN=y $(O)/.config; then echo "init.c:1:1: error: broken"; exit 1; fi
	@if grep -q FULL=y $(O)/.config; then echo "ld: No space left on device"; exit 1; fi
	mkdir -p $(O)/arch/arm/boot $(O)/include/config
	cat $(O)/.config > $(O)/arch/arm/boot/zImage
	echo map > $(O)/System.map
	echo 1.2.3-toy > $(O)/include/config/kernel.release
"#;

struct Workbench {
    dir: tempfile::TempDir,
}

impl Workbench {
    fn new() -> Result<Self, Box<dyn Error>> {
        let dir = tempfile::tempdir()?;
        let tree = dir.path().join("linux");
        std::fs::create_dir_all(tree.join("arch/arm"))?;
        std::fs::write(tree.join("Makefile"), MAKEFILE)?;
        let options = ["PLAIN", "SLOW", "BROKEN", "FULL", "MOVING"];
        let kconfig: String =
            options.iter().map(|name| format!("config {name}\n\tbool \"{name}\"\n")).collect();
        std::fs::write(tree.join("Kconfig"), kconfig)?;
        for tool in ["gcc", "ld"] {
            let path = dir.path().join(format!("toy-{tool}"));
            std::fs::write(&path, format!("#!/bin/sh\necho toy {tool} 1\n"))?;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
        }
        let tarball = dir.path().join("linux.tar");
        assert!(
            Command::new("tar")
                .arg("-cf")
                .arg(&tarball)
                .arg("-C")
                .arg(dir.path())
                .arg("linux")
                .status()?
                .success()
        );
        let bench = Self { dir };
        let pinned = pin(&bench.lock(), Some(&tarball), &bench.cache(), &Progress::silent())?;
        assert_eq!((pinned.source.version.as_str(), pinned.unchanged), ("1.2.3", false));
        Ok(bench)
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn lock(&self) -> PathBuf {
        self.dir.path().join("kernel.lock")
    }

    fn request(&self, option: &str) -> Result<KernelRequest, Box<dyn Error>> {
        let text = format!("# Why.\nCONFIG_{option}=y\n");
        let fragments =
            Fragments::parse(&[(Path::new("toy.config"), &text)]).map_err(|wrong| format!("{wrong:?}"))?;
        Ok(KernelRequest {
            arch: Arch::Arm,
            cross: format!("{}/toy-", self.dir.path().display()),
            image_target: "zImage".to_owned(),
            fragments,
            source: Source::from_lock(&self.lock())?,
        })
    }

    fn build(
        &self,
        option: &str,
        progress: &Progress,
    ) -> Result<Result<BuiltKernel, BuildKernelError>, Box<dyn Error>> {
        Ok(self.request(option)?.build(&self.cache(), progress))
    }

    /// What the unpacked source holds beside its own files.
    fn left_in_source(&self, name: &str) -> Option<PathBuf> {
        let sources = std::fs::read_dir(self.cache().join("kernel/source")).ok()?;
        sources.flatten().map(|entry| entry.path().join(name)).find(|path| path.exists())
    }

    fn builds(&self) -> usize {
        let text = self.left_in_source("builds").and_then(|path| std::fs::read_to_string(path).ok());
        text.map_or(0, |text| text.lines().count())
    }

    fn works(&self) -> usize {
        std::fs::read_dir(self.cache().join("kernel/work")).map_or(0, Iterator::count)
    }
}

#[test]
fn kernel_built_once_comes_from_the_cache() -> Result<(), Box<dyn Error>> {
    let bench = Workbench::new()?;
    let first = bench.build("PLAIN", &Progress::silent())?;
    let first = first?;
    assert!(!first.cached);
    assert_eq!(first.release, "1.2.3-toy");
    assert_eq!(std::fs::read_to_string(&first.image)?, "CONFIG_PLAIN=y\n");
    assert_eq!(std::fs::read_to_string(&first.config)?, "CONFIG_PLAIN=y\n");
    assert!(first.system_map.exists());
    let second = bench.build("PLAIN", &Progress::silent())??;
    assert_eq!(second, BuiltKernel { cached: true, ..first.clone() });
    // The image is there, so its source isn't needed.
    std::fs::remove_file(bench.dir.path().join("linux.tar"))?;
    assert_eq!(bench.build("PLAIN", &Progress::silent())??.image, first.image);
    assert_eq!((bench.builds(), bench.works()), (1, 0));
    Ok(())
}

#[test]
fn kernel_damaged_in_the_cache_is_built_again() -> Result<(), Box<dyn Error>> {
    let bench = Workbench::new()?;
    let first = bench.build("PLAIN", &Progress::silent())?;
    let first = first?;
    std::fs::write(&first.image, "half")?;
    let second = bench.build("PLAIN", &Progress::silent())??;
    assert_eq!(second, first);
    assert_eq!(std::fs::read_to_string(&second.image)?, "CONFIG_PLAIN=y\n");
    assert_eq!((bench.builds(), bench.works()), (2, 0));
    Ok(())
}

#[test]
fn kernel_of_another_compiler_is_another() -> Result<(), Box<dyn Error>> {
    let bench = Workbench::new()?;
    let first = bench.build("PLAIN", &Progress::silent())?;
    std::fs::write(bench.dir.path().join("toy-gcc"), "#!/bin/sh\necho toy gcc 2\n")?;
    let second = bench.build("PLAIN", &Progress::silent())??;
    assert!(!second.cached);
    assert_ne!(first?.key, second.key);
    Ok(())
}

#[test]
fn kernel_wanted_twice_at_once_is_built_once() -> Result<(), Box<dyn Error>> {
    let bench = Workbench::new()?;
    let request = bench.request("PLAIN")?;
    let results = std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..4).map(|_| scope.spawn(|| request.build(&bench.cache(), &Progress::silent()))).collect();
        runs.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut fresh = 0;
    for result in results {
        let result = result.map_err(|_| "a run ended badly")?;
        fresh += usize::from(!result?.cached);
    }
    assert_eq!((fresh, bench.builds(), bench.works()), (1, 1, 0));
    Ok(())
}

#[test]
fn kernel_that_fails_to_build_leaves_only_a_log() -> Result<(), Box<dyn Error>> {
    let bench = Workbench::new()?;
    let failed = bench.build("BROKEN", &Progress::silent())?;
    let Err(error @ BuildKernelError::Make { .. }) = failed else { return Err(format!("{failed:?}").into()) };
    let report = Report::from(&error);
    assert_eq!(report.exit_code(), ExitCode::Internal);
    let [only] = report.entries() else { return Err(format!("{report:?}").into()) };
    assert!(only.causes.iter().any(|cause| cause.contains("init.c:1:1: error: broken")), "{only:?}");
    assert!(only.hints.iter().any(|hint| hint.contains(".log")), "{only:?}");
    assert_eq!(bench.works(), 0);
    assert!(!bench.cache().join("kernel/built").exists());
    Ok(())
}

#[test]
fn kernel_with_another_configuration_than_checked_is_refused() -> Result<(), Box<dyn Error>> {
    let bench = Workbench::new()?;
    let refused = bench.build("MOVING", &Progress::silent())?;
    assert!(
        matches!(&refused, Err(BuildKernelError::Changed { symbols }) if symbols == &["MOVED"]),
        "{refused:?}"
    );
    assert!(!bench.cache().join("kernel/built").exists());
    Ok(())
}

#[test]
fn kernel_without_space_says_so() -> Result<(), Box<dyn Error>> {
    let bench = Workbench::new()?;
    let failed = bench.build("FULL", &Progress::silent())?;
    let Err(error) = failed else { return Err("it was built".into()) };
    let report = Report::from(&error);
    let [only] = report.entries() else { return Err(format!("{report:?}").into()) };
    assert!(only.message.contains("no space left in"), "{only:?}");
    assert!(only.hints.iter().any(|hint| hint.contains("NACRE_CACHE")), "{only:?}");
    Ok(())
}

#[test]
fn kernel_build_interrupted_ends_make_and_leaves_nothing() -> Result<(), Box<dyn Error>> {
    let bench = Workbench::new()?;
    let cancel = Arc::new(AtomicBool::new(false));
    let progress = Progress::silent().with_cancel(Arc::clone(&cancel));
    let request = bench.request("SLOW")?;
    let began = Instant::now();
    let result = std::thread::scope(|scope| {
        let run = scope.spawn(|| request.build(&bench.cache(), &progress));
        while bench.left_in_source("sleeping").is_none() && !run.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
        }
        cancel.store(true, Ordering::Relaxed);
        run.join()
    });
    let result = result.map_err(|_| "the run ended badly")?;
    let Err(error) = result else { return Err("it was built".into()) };
    assert_eq!(Report::from(&error).exit_code(), ExitCode::TryAgain);
    assert!(began.elapsed() < Duration::from_secs(30), "make was not ended");
    assert_eq!(bench.works(), 0);
    assert!(!bench.cache().join("kernel/built").exists());
    Ok(())
}

#[test]
fn option_that_is_dropped_stops_the_build() -> Result<(), Box<dyn Error>> {
    let bench = Workbench::new()?;
    let refused = bench.build("PLAYN", &Progress::silent())?;
    let Err(error) = refused else { return Err("it was built".into()) };
    let report = Report::from(&error);
    assert_eq!(report.exit_code(), ExitCode::BadInput);
    let [only] = report.entries() else { return Err(format!("{report:?}").into()) };
    assert_eq!(only.message, "CONFIG_PLAYN: asked y");
    assert_eq!(only.causes, ["no such symbol in this kernel; did you mean CONFIG_PLAIN?"]);
    assert_eq!(bench.builds(), 0);
    Ok(())
}
