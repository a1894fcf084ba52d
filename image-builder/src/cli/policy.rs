//! `nacre policy`.

use std::fmt::Write;

use clap::Subcommand;
use nacre_seccomp_policy::explain::{self, CONDITIONAL, FAMILIES, OTHER};
use nacre_seccomp_policy::{ABSENT, Arch, Call, GROUPS, Grant, REST};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "Examples:
  nacre policy show
  nacre policy show ptrace
  nacre policy show --arch x86_64 --json";

/// Arguments of `nacre policy`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the system calls that apps may make, and why; and what none may.
    #[command(after_help = EXAMPLES)]
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// One call, by its name.
    #[arg(value_name = "CALL")]
    call: Option<String>,
    /// The architecture: armv7 or x86_64.
    #[arg(long, value_name = "ARCH", default_value = "armv7")]
    arch: Arch,
    /// Write JSON, one object per call.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn execute(args: Args) -> Result<(), Failure> {
    let Action::Show(Show { call, arch, json }) = args.action;
    let mut verdicts = verdicts(arch);
    if let Some(name) = call {
        verdicts.retain(|verdict| verdict.name == name);
        if verdicts.is_empty() {
            return Err(Failure::new(Exit::NotFound, format!("the kernel has no call `{name}` on {arch}"))
                .hint("`nacre policy show` lists them all"));
        }
        return super::print(&lines(&verdicts, json, false));
    }
    super::print(&lines(&verdicts, json, true))
}

/// What the policy says to one call.
struct Verdict {
    name: &'static str,
    number: u32,
    /// Its group or family.
    of: &'static str,
    allowed: Allowed,
    reason: &'static str,
    /// Fields of the manifest that allow more arguments.
    more_with: Vec<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Always,
    SomeArguments,
    Absent,
    Never,
}

impl Allowed {
    const fn name(self) -> &'static str {
        match self {
            Self::Always => "yes",
            Self::SomeArguments => "some arguments",
            Self::Absent => "absent",
            Self::Never => "never",
        }
    }
}

const fn field(grant: Grant) -> &'static str {
    match grant {
        Grant::Network => "network",
        Grant::Gpio => "devices.gpio",
        Grant::Uart => "devices.uart",
        Grant::WritableExecutable => "memory.writable-executable",
    }
}

/// Every call of the kernel: the groups in their order, then what is denied.
fn verdicts(arch: Arch) -> Vec<Verdict> {
    let of_call = |call: &Call, of, allowed| {
        let more_with = call.or_with.iter().map(|(grant, _)| field(*grant)).collect();
        let number = call.number(arch)?;
        Some(Verdict { name: call.name, number, of, allowed, reason: call.reason, more_with })
    };
    let allowed = |call: &Call| {
        if CONDITIONAL.iter().any(|(name, _)| *name == call.name) {
            Allowed::SomeArguments
        } else {
            Allowed::Always
        }
    };
    let mut all: Vec<Verdict> = GROUPS
        .iter()
        .flat_map(|group| group.calls.iter().map(move |call| (group, call)))
        .filter_map(|(group, call)| of_call(call, group.name, allowed(call)))
        .collect();
    all.extend(ABSENT.iter().filter_map(|call| of_call(call, "absent calls", Allowed::Absent)));
    let known: Vec<u32> = all.iter().map(|verdict| verdict.number).collect();
    // Those of the table, and ARM's private ones.
    let denied = (0..1024).chain(0x0f_0000..0x0f_0010).filter(|number| !known.contains(number));
    let mut denied: Vec<Verdict> = denied
        .filter_map(|number| {
            let name = explain::name(arch, number)?;
            let family = explain::family(name);
            let (of, reason) = (family.name, family.reason);
            Some(Verdict { name, number, of, allowed: Allowed::Never, reason, more_with: Vec::new() })
        })
        .collect();
    let place = |name: &str| FAMILIES.iter().position(|family| family.name == name);
    denied.sort_by_key(|verdict| place(verdict.of).unwrap_or(usize::MAX));
    all.extend(denied);
    all
}

fn lines(verdicts: &[Verdict], json: bool, headings: bool) -> String {
    let mut out = String::new();
    let mut of = "";
    for verdict in verdicts {
        if json {
            out.push_str(&(object(verdict).to_string() + "\n"));
            continue;
        }
        if headings && verdict.of != of {
            of = verdict.of;
            heading(&mut out, verdict);
        }
        let more = match verdict.more_with.as_slice() {
            [] => String::new(),
            fields => format!(" (more with {})", fields.join(", ")),
        };
        // Writing to a String does not fail.
        let _ = if headings && verdict.allowed == Allowed::Never {
            writeln!(out, "  {}", verdict.name)
        } else {
            let allowed = if verdict.allowed == Allowed::Always { "" } else { verdict.allowed.name() };
            let colon = if allowed.is_empty() { "" } else { ": " };
            writeln!(out, "  {:<22} {allowed}{colon}{}{more}", verdict.name, verdict.reason)
        };
    }
    out
}

fn heading(out: &mut String, verdict: &Verdict) {
    if !out.is_empty() {
        out.push('\n');
    }
    let group = GROUPS.iter().find(|group| group.name == verdict.of && verdict.allowed != Allowed::Never);
    let rest = REST.iter().find(|(name, ..)| *name == verdict.of);
    let _ = match (group, rest) {
        (Some(group), _) => writeln!(
            out,
            "{}: {}\n  a denial is {}: {}",
            group.name,
            group.purpose,
            group.denied.sees(),
            group.denied.why()
        ),
        (None, Some((name, _, denied))) => {
            writeln!(out, "{name}\n  a denial is {}: {}", denied.sees(), denied.why())
        }
        (None, None) => {
            let never = if verdict.of == OTHER.name { "denied" } else { "never allowed" };
            writeln!(out, "{never}, {}: {}", verdict.of, verdict.reason)
        }
    };
}

fn object(verdict: &Verdict) -> Value {
    json!({
        "call": verdict.name,
        "number": verdict.number,
        "group": verdict.of,
        "allowed": verdict.allowed.name(),
        "reason": verdict.reason,
        "more_with": verdict.more_with,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_kernel_is_shown_once() {
        for arch in [Arch::Armv7, Arch::X86_64] {
            let all = verdicts(arch);
            let mut numbers: Vec<u32> = all.iter().map(|verdict| verdict.number).collect();
            numbers.sort_unstable();
            let of_kernel: Vec<u32> = (0..1024)
                .chain(0x0f_0000..0x0f_0010)
                .filter(|number| explain::name(arch, *number).is_some())
                .collect();
            assert_eq!(numbers, of_kernel, "{arch}");
            let text = lines(&all, false, true);
            assert!(text.contains("never allowed, tracing: it reads or changes other processes\n  ptrace\n"));
            assert!(text.contains("memory: memory of the process itself\n  a denial is EPERM: "));
            assert_eq!(lines(&all, true, true).lines().count(), all.len());
        }
    }

    #[test]
    fn one_call_is_shown_with_its_verdict() {
        let of = |name: &str| {
            let mut all = verdicts(Arch::Armv7);
            all.retain(|verdict| verdict.name == name);
            lines(&all, false, false)
        };
        assert_eq!(of("ptrace"), "  ptrace                 never: it reads or changes other processes\n");
        assert!(of("socket").contains("some arguments: ") && of("socket").contains("(more with network)"));
        assert!(of("clone3").contains("absent: "));
    }
}
