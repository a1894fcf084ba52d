//! What the filter of system calls costs a program that makes many: the same loop under it, under a filter that allows
//! everything with one instruction, and under none. On this machine, with its own architecture's filter.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use nacre_seccomp_policy::{Arch, Options};
use nacre_sys::seccomp::{self, Instruction};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::prctl;
use nix::unistd::getppid;

use crate::Result;
use crate::samples::Samples;
use crate::table::Row;

const ROUNDS: usize = 40;
/// Times that the loop goes round, with four calls each.
const TURNS: u32 = 50_000;

/// `SECCOMP_RET_ALLOW` as the only instruction (linux/seccomp.h): `BPF_RET | BPF_K`.
const ALLOW_ALL: [Instruction; 1] = [[0x06, 0, 0, 0, 0, 0, 0xff, 0x7f]];

/// Runs the loop under each, in turns.
pub(crate) fn rows() -> Result<Vec<Row>> {
    let arch: Arch = std::env::consts::ARCH.parse()?;
    let ours = nacre_seccomp_policy::compile(arch, &Options::default())?;
    let ours = ours.as_chunks().0;
    let (mut filtered, mut allowed, mut free) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        filtered.push(time(Some(ours))?);
        allowed.push(time(Some(&ALLOW_ALL))?);
        free.push(time(None)?);
    }
    let [filtered, allowed, free] = [Samples::new(filtered)?, Samples::new(allowed)?, Samples::new(free)?];
    Ok(vec![
        Row::of_times("200,000 system calls under an app's filter; one that allows all", &filtered, &allowed),
        Row::of_times("the same; under no filter", &filtered, &free),
    ])
}

/// The loop in a thread of its own, as a filter is a thread's, and for good.
fn time(filter: Option<&[Instruction]>) -> Result<Duration> {
    let run = || -> std::result::Result<Duration, String> {
        let [mut zero, mut null] = ["/dev/zero", "/dev/null"].map(|path| {
            File::options().read(true).write(true).open(path).map_err(|error| format!("{path}: {error}"))
        });
        let (zero, null) = (zero.as_mut().map_err(|e| e.clone())?, null.as_mut().map_err(|e| e.clone())?);
        prctl::set_no_new_privs().map_err(|error| error.to_string())?;
        if let Some(filter) = filter {
            seccomp::load(filter).map_err(|error| error.to_string())?;
        }
        let begin = Instant::now();
        let mut byte = [0];
        for _ in 0..TURNS {
            black_box(getppid());
            zero.read_exact(&mut byte).map_err(|error| error.to_string())?;
            null.write_all(&byte).map_err(|error| error.to_string())?;
            // One that is judged by its arguments.
            fcntl(&*null, FcntlArg::F_GETFL).map_err(|error| error.to_string())?;
        }
        Ok(begin.elapsed())
    };
    let ended = thread::scope(|scope| scope.spawn(run).join());
    Ok(ended.map_err(|_| "the loop's thread panicked")??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loop_runs_to_its_end_under_each_filter() {
        let arch: Arch = std::env::consts::ARCH.parse().unwrap();
        let ours = nacre_seccomp_policy::compile(arch, &Options::default()).unwrap();
        for filter in [Some(ours.as_chunks().0), Some(&ALLOW_ALL[..]), None] {
            time(filter).unwrap();
        }
    }
}
