//! Who has the sources and the keys builds the same image, bit for bit.
//!
//! Each test builds twice, from copies of the sources in folders of different depth whose files are of
//! different times, with another home, umask, time zone, language and number of jobs. The clock of the
//! machine is not turned: that would take root and disturb everything else on it.
#![forbid(unsafe_code)]

mod site;

use std::fs;
use std::path::Path;

use nacre_tests::image::{ARMV7, Board, X86_64};
use nacre_tests::nacre::{nacre, root, text};
use site::Site;

/// Seconds since 1970 that the files of the first and of the second build are of.
const TIMES: [u64; 2] = [1_700_000_000, 946_684_801];

/// The templates, and the most bytes that their packages may have.
const APPS: [(&str, usize); 2] = [("c", 40_000), ("rust", 300_000)];

/// Compares what two builds made; says what differs and where.
fn assert_same(first: &Path, second: &Path) {
    let same = |name: &str| {
        let read = |folder: &Path| fs::read(folder.join(name)).expect("a build makes it");
        read(first) == read(second)
    };
    let output = nacre().args(["image", "diff"]).args([first, second]).output().expect("nacre starts");
    assert!(same("slot.img") && same("disk.img"), "two builds differ:\n{}", text(&output));
    assert_eq!(output.status.code(), Some(0), "two builds differ:\n{}", text(&output));
}

/// Kernel, standard library and dependencies come from the cache; all of this checkout is compiled twice.
fn image_built_twice_with_a_warm_cache_is_the_same(board: Board) {
    let folder = site::open_folder();
    let cache = site::shared_cache();
    let _kept = site::put_aside(&cache);
    let shared = cache.display().to_string();
    let first =
        Site::new(folder.path().join("one"), "nacre", &root(), TIMES[0]).with("NACRE_CACHE", &*shared);
    site::forget_programs(&cache);
    let built = first.build(board);
    // Copied from the copy: the sources may be changed meanwhile.
    let second = Site::new(folder.path().join("elsewhere/two"), "a/deeper/one", first.checkout(), TIMES[1])
        .with("NACRE_CACHE", shared)
        .with_keys_of(&first)
        .elsewhere();
    site::forget_programs(&cache);
    assert_same(&built, &second.build(board));
    for (language, most) in APPS {
        let app = first.app(language);
        assert!(app.len() < most, "{language}: {} bytes", app.len());
        // The manifest of a crate says where lib/app is: with another checkout it is another source.
        if language == "c" {
            assert!(app == second.app(language), "two packages of the template in C differ");
        }
    }
}

#[test]
fn image_for_qemu_armv7_built_twice_with_a_warm_cache_is_the_same() {
    image_built_twice_with_a_warm_cache_is_the_same(ARMV7);
}

/// The other board's programs come from the same sources by the same steps; compiling them twice takes a minute more.
#[test]
#[ignore = "the other board's says the same: `cargo xtask test --full` runs it"]
fn image_for_qemu_x86_64_built_twice_with_a_warm_cache_is_the_same() {
    image_built_twice_with_a_warm_cache_is_the_same(X86_64);
}

/// Everything is made twice: kernels, standard library, dependencies, programs; the second time as another
/// user, where that is possible. Takes as long as four kernels: `cargo xtask test --full`.
#[test]
#[ignore = "takes as long as four kernels: `cargo xtask test --full` runs it"]
fn image_built_twice_from_nothing_is_the_same() {
    let folder = site::open_folder();
    let path = site::path_for_two_users();
    let in_path = |site: Site| match path {
        Some(path) => site.with("PATH", path),
        None => site,
    };
    let first = Site::new(folder.path().join("one"), "nacre", &root(), TIMES[0]).with_empty_cache();
    let first = in_path(first);
    let built = [ARMV7, X86_64].map(|board| (board, first.build(board)));
    let second = Site::new(folder.path().join("elsewhere/two"), "a/deeper/one", first.checkout(), TIMES[1])
        .with_empty_cache()
        .with_keys_of(&first)
        .elsewhere()
        .on_one_cpu();
    let second = in_path(second);
    let second = if path.is_some() { second.for_nobody() } else { second };
    for (board, built) in built {
        assert_same(&built, &second.build(board));
    }
}
