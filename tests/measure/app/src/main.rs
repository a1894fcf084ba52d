//! The program inside every measured package: a typical small app.
//!
//! It decodes CBOR, verifies a signature, hashes and formats (so that as much of its text is
//! mapped as a working app has mapped), says `ready`, and then waits for its standard input to
//! close.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::{Read, Write};

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

/// RFC 8032, section 7.1, test 2: key, signature and the one-byte message 0x72.
const KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut out = [0u8; N];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(out)
}

fn work() -> Result<String, Box<dyn std::error::Error>> {
    let samples: BTreeMap<u32, Vec<u32>> =
        (0..16).map(|i| (i, (i..i + 8).map(|n| n * n).collect())).collect();
    let coded = minicbor::to_vec(&samples)?;
    let decoded: BTreeMap<u32, Vec<u32>> = minicbor::decode(&coded)?;
    let digest = Sha256::digest(&coded);
    let key = VerifyingKey::from_bytes(&bytes(KEY).ok_or("key")?)?;
    key.verify_strict(b"\x72", &Signature::from_bytes(&bytes(SIGNATURE).ok_or("signature")?))?;
    let mean = f64::from(decoded.values().flatten().sum::<u32>()) / 128.0;
    Ok(format!("mean {mean:.3} digest {:02x}", digest[0]))
}

fn main() -> std::process::ExitCode {
    match work() {
        Ok(line) => {
            // The measuring guest waits for this word; nobody is left to tell if it can't be said.
            let _ = writeln!(std::io::stdout(), "ready {line}");
            let _ = std::io::stdin().read(&mut [0u8; 1]);
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stdout(), "failed {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
