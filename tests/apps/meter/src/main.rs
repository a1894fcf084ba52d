//! Measures TCP between two network namespaces: through netd's rules, and without any.
//!
//! It runs as root without a sandbox, beside an app with a network, `org.nacre.idle`, which netd has joined like any
//! other. Two pairs of namespaces are alike but for the rules:
//!
//! ```text
//! namespace of the app -- app0 | the OS's namespace, with netd's table | eth0 -- outside
//! namespace            -- app0 | a namespace without any table         | eth0 -- outside
//! ```
//!
//! A stream goes over the first, then over the second, and so on; each line says which, and how many nanoseconds.
#![forbid(unsafe_code)]

mod links;
mod namespaces;
mod stream;

use std::io;
use std::time::Duration;

use namespaces::Pair;

/// Streams over each pair; the first is not counted.
const ROUNDS: usize = 41;
/// Bytes of each stream.
const BYTES: usize = 4 << 20;
/// Between two connections: an app may make 20 in a second.
const PAUSE: Duration = Duration::from_millis(100);

fn main() -> io::Result<()> {
    let (policy, free) = (Pair::through_the_policy()?, Pair::without_rules()?);
    // That the rules are there, and are not there.
    stream::expect_unlisted(&policy, stream::Unlisted::Forbidden)?;
    stream::expect_unlisted(&free, stream::Unlisted::Reached)?;
    println!("bytes {BYTES}");
    for round in 0..ROUNDS {
        for (name, pair) in [("policy", &policy), ("free", &free)] {
            std::thread::sleep(PAUSE);
            let time = stream::send(pair, BYTES)?;
            if round > 0 {
                println!("{name} {}", time.as_nanos());
            }
        }
    }
    println!("done");
    Ok(())
}
