//! What an idle app costs in memory: the guest's pages that are not free, counted as in [`crate::memory`], with
//! several apps more and less.
//!
//! Three images differ in nothing but their apps: one app; the same and several whose program ends at once, so that
//! their packages are verified and mounted and their groups are there; the same and as many that wait. Programs are the
//! same bytes, under ids of their own, so that nothing is shared.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::Result;
use crate::memory::{Kernel, Used};
use crate::programs::Programs;
use crate::project::{ARMV7, App, Projects};
use crate::table::Row;
use crate::vm::Vm;

const ROUNDS: usize = 5;
/// How many apps more.
const MORE: usize = 8;
/// Enough that nothing has to be given back.
const MIB: usize = 32;
/// How long the system rests first.
const REST: Duration = Duration::from_secs(6);

/// What is asked for.
const PROCESS_KIB: u64 = 300;
const PACKAGE_KIB: u64 = 400;

const PLAIN: &str = "restart: { policy: never }\n";
const NETWORK: &str = "restart: { policy: never }\nnetwork: { connect: [\"tcp:10.0.2.2:9\"] }\n";

/// Boots all images, in turns.
pub(crate) fn rows(programs: &Programs, checkout: &Path, work: &Path) -> Result<Vec<Row>> {
    let kernel = Kernel::of_board(programs, checkout, ARMV7.name)?;
    let projects = Projects::new(programs, checkout, work, ARMV7)?;
    let one = build(&projects, "idle-one", 0, "wait", PLAIN)?;
    let ended = build(&projects, "idle-ended", MORE, "end", PLAIN)?;
    let waiting = build(&projects, "idle-waiting", MORE, "wait", PLAIN)?;
    let one_linked = build(&projects, "idle-one-linked", 0, "wait", NETWORK)?;
    let linked = build(&projects, "idle-linked", MORE, "wait", NETWORK)?;
    let [mut process, mut package, mut fixed, mut images, mut lying, mut network] = [const { Vec::new() }; 6];
    for _ in 0..ROUNDS {
        let used = |image: &PathBuf, apps| used(programs, image, apps, &kernel);
        let (none, mounted, running) = (used(&one, 1)?, used(&ended, 1 + MORE)?, used(&waiting, 1 + MORE)?);
        process.push(per_app(running.all_kib, mounted.all_kib));
        package.push(per_app(mounted.all_kib, none.all_kib));
        fixed.push(per_app(mounted.all_kib - mounted.files_kib, none.all_kib - none.files_kib));
        images.push(per_app(mounted.images_kib, none.images_kib));
        let lies = |used: Used| used.files_kib - used.images_kib;
        lying.push(per_app(lies(mounted), lies(none)));
        let (none, all) = (used(&one_linked, 1)?, used(&linked, 1 + MORE)?);
        let with_network = per_app(all.all_kib, none.all_kib);
        network.push(with_network.saturating_sub(per_app(running.all_kib, none.all_kib)));
    }
    let budget = |what: &str, kib: &[u64], most| Row::of_kib(what, kib, &[most]);
    Ok(vec![
        budget("an idle app: process, namespaces, filters; the most it may be", &process, PROCESS_KIB),
        budget("its mounted package, with its cgroup; the most it may be", &package, PACKAGE_KIB),
        Row::of_kib("of that, cgroup and mount: no content of files; the whole", &fixed, &package),
        Row::of_kib("of that, its files' content, read when it ran (EROFS); the whole", &images, &package),
        Row::of_kib("of that, its image as it lies in `/data` (ext4); the whole", &lying, &package),
        Row::of_kib("what a network adds to an idle app; the app without", &network, &process),
    ])
}

fn build(
    projects: &Projects<'_>,
    name: &str,
    count: usize,
    argument: &'static str,
    more: &'static str,
) -> Result<PathBuf> {
    let app = |name: String, argument| App { name, program: "idle", argument, more };
    let others = (0..count).map(|number| app(format!("idle{number}"), argument));
    let apps: Vec<App> = std::iter::once(app("idle".to_owned(), "wait")).chain(others).collect();
    projects.build(name, &apps, "")
}

/// Boots an image, waits until so many apps have begun and the system rests, and counts.
fn used(programs: &Programs, image: &Path, apps: usize, kernel: &Kernel) -> Result<Used> {
    let mut vm = Vm::start(programs, image, &["--memory", &format!("{MIB}M")])?;
    for _ in 0..apps {
        vm.wait_for(|line| line.contains(": began ").then_some(()))?;
    }
    sleep(REST);
    kernel.used(vm.qemu()?, MIB)
}

/// The difference that each of [`MORE`] apps made.
fn per_app(with: usize, without: usize) -> u64 {
    (with.saturating_sub(without) / MORE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_is_that_of_one_app() {
        assert_eq!(per_app(1000 + 8 * 70, 1000), 70);
        assert_eq!(per_app(1000, 1004), 0);
    }
}
