//! The attacker: takes orders, runs each attack in a process of its own.

use std::io::Read;
use std::process::{self, ExitCode};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::call::{Outcome, errno};
use crate::catalogue;
use crate::order::{Order, TOKEN};

/// How long a process that reached something stays, so that the witness can look at it.
const STAY: Duration = Duration::from_secs(3);

/// Waits for orders on standard input, which the witness opens for writing through `/proc`: this works with every
/// layer, and asks nothing of the OS.
pub(crate) fn serve() -> ExitCode {
    name_process("atk.0.0");
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match std::io::stdin().lock().read(&mut byte) {
            Ok(1) if byte[0] == b'\n' => {
                if let Some(order) = Order::parse(&String::from_utf8_lossy(&line)) {
                    run(&order);
                }
                line.clear();
            }
            Ok(1) => line.push(byte[0]),
            // Nobody has it open.
            _ => sleep(Duration::from_millis(20)),
        }
    }
}

/// Runs an attack and says by this process's name how it ended: `atk.<number>.<errno>`.
fn run(order: &Order) {
    name_process(&format!("atk+{}", order.number));
    // SAFETY: this process has one thread.
    let ended = match unsafe { fork() } {
        Ok(ForkResult::Child) => process::exit(strike(order)),
        Ok(ForkResult::Parent { child }) => wait(child),
        Err(error) => error as i32,
    };
    // As the first process of its namespace it inherits what attacks leave.
    while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive)
    {
    }
    name_process(&format!("atk.{}.{ended}", order.number));
}

/// One attack, without a witness: `strike NAME TOKEN FACT=VALUE...`. The exit code is where it was stopped; 0 if it has
/// something to show.
pub(crate) fn alone(arguments: &[String]) -> ExitCode {
    let Some(order) = Order::parse(&format!("1 {}", arguments.join(" "))) else { return ExitCode::from(2) };
    let Some(attack) = catalogue::find(&order.name) else { return ExitCode::from(2) };
    // As in the campaign it is not the first process: that one outlives what it does to itself.
    // SAFETY: this process has one thread.
    let ended = match unsafe { fork() } {
        Ok(ForkResult::Child) => process::exit(match (attack.run)(&order) {
            Ok(()) => 0,
            Err(error) => error as i32,
        }),
        Ok(ForkResult::Parent { child }) => wait(child),
        Err(error) => error as i32,
    };
    ExitCode::from(u8::try_from(ended).unwrap_or(u8::MAX))
}

/// The attack's own process. Its exit code is where the attack was stopped.
fn strike(order: &Order) -> i32 {
    name_process("hit");
    let Some(attack) = catalogue::find(&order.name) else { return Errno::ENOENT as i32 };
    match (attack.run)(order) {
        Ok(()) => stay(),
        Err(error) => error as i32,
    }
}

fn wait(child: Pid) -> i32 {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => break code,
            Ok(WaitStatus::Signaled(_, signal, _)) => break 200 + signal as i32,
            Err(Errno::EINTR) | Ok(_) => {}
            Err(_) => break 0,
        }
    }
}

/// Stays for a while with all that was reached, then ends.
pub(crate) fn stay() -> ! {
    let until = Instant::now() + STAY;
    while Instant::now() < until {
        sleep(Duration::from_millis(50));
        // Orphans that it has made.
        let _ = waitpid(None, Some(WaitPidFlag::WNOHANG));
    }
    process::exit(0)
}

/// Tells a secret: the process takes it for a name, which the witness reads. That works under every layer.
pub(crate) fn claim(secret: &[u8]) -> Outcome {
    let secret = secret.get(..TOKEN).ok_or(Errno::ENODATA)?;
    name_process(&String::from_utf8_lossy(secret));
    stay()
}

/// Tells the secret that stands behind the attack's mark.
pub(crate) fn claim_from(order: &Order, bytes: &[u8]) -> Outcome {
    claim(find_secret(order, bytes).ok_or(Errno::ENODATA)?)
}

/// The secret behind the attack's mark, if it is there.
pub(crate) fn find_secret<'b>(order: &Order, bytes: &'b [u8]) -> Option<&'b [u8]> {
    let mark = order.mark();
    let at = bytes.windows(mark.len()).position(|window| window == mark.as_bytes())?;
    bytes.get(at + mark.len()..at + mark.len() + TOKEN)
}

/// Tells the secret that a file holds.
pub(crate) fn claim_file(order: &Order, path: &str) -> Outcome {
    claim_from(order, &std::fs::read(path).map_err(|error| errno(&error))?)
}

/// Names this process (`PR_SET_NAME`, prctl(2)).
pub(crate) fn name_process(name: &str) {
    // One that has a name of 15 bytes or less can always be given.
    let _ = nix::sys::prctl::set_name(&crate::call::text(name));
}

/// Takes the default of a signal again that Rust's library ignores.
pub(crate) fn default_signal(which: Signal) {
    // SAFETY: no handler is installed.
    let _ = unsafe { signal(which, SigHandler::SigDfl) };
}

/// `tell ATTACK FILE`: tells the secret in a file, as a program that the attacker had started.
pub(crate) fn tell(arguments: &[String]) -> ExitCode {
    if let [name, file] = arguments {
        let order = Order { name: name.clone(), ..Order::default() };
        let _ = claim_file(&order, file);
    }
    ExitCode::from(1)
}
