//! A call that an app's filter denied, in words.

use nacre_appmgr_core::denials::Refusal;
use nacre_seccomp_policy::explain::{self, Attempt, UNKNOWN, Why, explain};
use nacre_seccomp_policy::{Arch, Grant};
use nacre_sys::seccomp_notify::Notification;
use nacre_wire::denial::Remedy;

use crate::foreign_memory::Memory;

/// A denied call in words, and the error that it gets.
pub fn denied(call: &Notification, memory: &Memory) -> (Refusal, i32) {
    let Some(arch) = Arch::of_audit_value(call.arch) else {
        // The filter kills these; nobody else could have sent one.
        let remedy = Remedy::never("it is made for another architecture");
        return (Refusal { tried: format!("system call {}", call.number), remedy }, UNKNOWN);
    };
    let attempt = Attempt { arch, number: call.number, arguments: call.arguments };
    let explanation = explain(&attempt, &mut |address| memory.text(address));
    let remedy = match explanation.why {
        Why::Lacks(grant) => {
            let (field, line) = line_of(grant);
            Remedy::manifest("", field, line)
        }
        Why::Never(reason) => Remedy::never(reason),
        Why::Unknown => Remedy::never("the kernel has no such call"),
    };
    let errno = explanation.why.errno();
    debug_assert!(errno == explain::DENIED || errno == UNKNOWN);
    (Refusal { tried: explanation.tried, remedy }, errno)
}

/// The line that gives a grant. Which machine, line or port is meant is not known when the call fails.
const fn line_of(grant: Grant) -> (&'static str, &'static str) {
    match grant {
        Grant::Network => ("network.connect", "tcp:HOST:PORT"),
        Grant::Gpio => ("devices.gpio", "LINE"),
        Grant::Uart => ("devices.uart", "PORT"),
        Grant::WritableExecutable => ("memory.writable-executable", "true"),
    }
}
