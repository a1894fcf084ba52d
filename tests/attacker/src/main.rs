//! The hostile app of `nacre attack`, its victim, and the witness, in one program with several roles.
//!
//! The witness runs outside of every layer. For each attack it plants secrets that nobody can guess, tells the
//! attacker which attack is due, and looks whether the goal is reached. The attacker runs each attack in a process
//! of its own; what it says about it counts for nothing.
#![allow(unsafe_code)] // Attacks are system calls that no library offers.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "arguments of raw system calls have one width, whatever they mean"
)]

mod attack;
mod attacks;
mod call;
mod catalogue;
mod decoy;
#[cfg(test)]
mod findings;
mod order;
mod victim;
mod witness;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let role = arguments.first().map(String::as_str);
    if role == Some("catalogue") {
        println!("{}", catalogue::json());
        return ExitCode::SUCCESS;
    }
    if role == Some("stay") {
        attack::stay();
    }
    // Outside of an app, this attacks the machine that it runs on.
    if std::env::var_os("NACRE_APP").is_none() {
        eprintln!("error: this attacks the system it runs on; `nacre attack` runs it in an image of its own");
        return ExitCode::from(64);
    }
    match role {
        Some("attack") => attack::serve(),
        Some("strike") => attack::alone(arguments.get(1..).unwrap_or_default()),
        Some("victim") => victim::serve(),
        Some("witness") => witness::serve(),
        Some("decoy") => decoy::serve(),
        Some("tell") => attack::tell(arguments.get(1..).unwrap_or_default()),
        _ => {
            eprintln!("error: it has the roles attack, strike, victim, witness, decoy and catalogue");
            ExitCode::from(2)
        }
    }
}
