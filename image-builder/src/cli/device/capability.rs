//! `nacre device capability`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use nacre_verify::capability::{
    Capability, MAX_BOOTS, MAX_BYTES, MAX_UPTIME_S, NONCE_BYTES, Nonce, Permission, VerifyCapabilityError,
};
use nacre_verify::digest::Digest;
use nacre_verify::key::KeyId;
use nacre_wire::channel::{Answer, Command};
use serde_json::json;

use super::{Target, done, failure, print as print_json, write};
use crate::cli::run::parse_time;
use crate::device::client::{AskDeviceError, Client};
use crate::failure::{Exit, Failure, OrFail};
use crate::keys::{DEVELOPMENT, KeyStore, Role};
use crate::terminal::Terminal;

/// Arguments of `nacre device capability`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  nacre device info
  nacre device capability new --device ID --nonce NONCE --allow sideload \\
      --boots 3 --uptime 1h --keys factory --out thermostat.cap
  nacre device capability show thermostat.cap
  nacre device capability present thermostat.cap

A production image refuses some things to everybody but the holder of a device
capability: a file, signed by a capability key of the image's key set, for one
device. It answers the nonce that the device shows, so it is presented once. It
ends after so many boots or so much uptime, whichever comes first; a power cut
makes it shorter, never longer. What was installed under it stays and runs.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sign a capability for one device.
    New(New),
    /// Say what a capability permits, and who signed it.
    #[command(after_help = "Example:\n  nacre device capability show thermostat.cap")]
    Show {
        /// Capability file.
        file: PathBuf,
    },
    /// Present a capability to the device.
    #[command(after_help = "Example:\n  nacre device capability present thermostat.cap")]
    Present {
        /// Capability file.
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
#[command(override_usage = "nacre device capability new [OPTIONS] --device <ID> --nonce <NONCE>
           --allow <WHAT> --out <FILE>")]
#[command(after_help = "Example:
  nacre device capability new --device ID --nonce NONCE --allow sideload \\
      --uptime 30m --keys factory --out thermostat.cap

`nacre device info` shows ID and NONCE. The nonce stays the same until the
device takes a capability, so that the key may be on another machine.")]
struct New {
    /// The device's id, 64 hexadecimal digits.
    #[arg(long, value_name = "ID", value_parser = parse_hex::<32>)]
    device: [u8; 32],
    /// The device's nonce, 32 hexadecimal digits.
    #[arg(long, value_name = "NONCE", value_parser = parse_hex::<NONCE_BYTES>)]
    nonce: [u8; NONCE_BYTES],
    /// What it permits: sideload.
    #[arg(long, value_name = "WHAT", required = true, value_parser = parse_permission)]
    allow: Vec<Permission>,
    /// Boots that it lasts, this one included.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    boots: u32,
    /// Uptime that it lasts.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_time)]
    uptime: Duration,
    /// Key set whose key signs.
    #[arg(long, value_name = "NAME", default_value = DEVELOPMENT)]
    keys: String,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Does it.
pub(super) fn execute(args: Args, target: &Target, json: bool, terminal: &Terminal) -> Result<(), Failure> {
    match args.action {
        Action::New(new) => make(new, json, terminal),
        Action::Show { file } => show(&file, json),
        Action::Present { file } => {
            present(&mut target.connect_again()?, &file)?;
            done(json)
        }
    }
}

/// Presents a capability.
pub(super) fn present(client: &mut Client, file: &Path) -> Result<(), Failure> {
    let signed = read(file)?;
    match client.ask(Command::Present(signed)).map_err(failure)? {
        Answer::Done => Ok(()),
        _ => Err(failure(AskDeviceError::Unexpected)),
    }
}

fn make(new: New, json: bool, terminal: &Terminal) -> Result<(), Failure> {
    let keys = KeyStore::open()?.load(&new.keys)?;
    let key = keys.private(Role::Capability)?;
    let mut allow = new.allow;
    allow.dedup();
    let uptime_s = u32::try_from(new.uptime.as_secs()).unwrap_or(u32::MAX);
    let (device, nonce) = (Digest(new.device), Nonce(new.nonce));
    let capability = Capability { device, nonce, allow, boots: new.boots, uptime_s };
    let signed = capability.sign(&key).or_fail(Exit::Usage, || "can't make such a capability".to_owned());
    let signed = signed.map_err(|failure| {
        failure.hint(format!("1 to {MAX_BOOTS} boots, and 1s to {} days of uptime", MAX_UPTIME_S / 86_400))
    })?;
    let step = || format!("can't write `{}`", new.out.display());
    let parent = new.out.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(parent).or_fail(Exit::TryAgain, step)?;
    fresh.write_all(&signed).or_fail(Exit::TryAgain, step)?;
    fresh.persist(&new.out).or_fail(Exit::TryAgain, step)?;
    if json {
        return print_json(&describe_json(&capability, None));
    }
    terminal.notice(&format!("made `{}`", new.out.display()));
    write(&describe(&capability))
}

fn show(file: &Path, json: bool) -> Result<(), Failure> {
    let signed = read(file)?;
    let store = KeyStore::open()?;
    let sets: Vec<_> = store.names().iter().filter_map(|name| store.load(name).ok()).collect();
    let keys: Vec<_> = sets.iter().flat_map(|set| set.set.capability_keys()).collect();
    let what = || format!("`{}` is not a capability by a key that is known here", file.display());
    let (capability, by) = Capability::verify(&signed, &keys).map_err(|error| {
        let exit = match &error {
            VerifyCapabilityError::Envelope(_) => Exit::VerificationFailed,
            _ => Exit::BadInput,
        };
        Failure::new(exit, what()).because(error).hint("known are the key sets that `nacre key show` lists")
    })?;
    if json {
        return print_json(&describe_json(&capability, Some(by)));
    }
    let of = |set: &&crate::keys::KeyFolder| set.set.capability_keys().iter().any(|key| key.id() == by);
    let set = sets.iter().find(of).map_or("", |set| &set.name);
    write(&format!("{}It is signed by the capability key of `{set}`:\n  {by}\n", describe(&capability)))
}

fn describe(capability: &Capability) -> String {
    let allow: Vec<&str> = capability
        .allow
        .iter()
        .map(|permission| match permission {
            Permission::Sideload => "install and remove app packages over the device channel",
        })
        .collect();
    let boots = match capability.boots {
        1 => "with the boot in which it is presented".to_owned(),
        boots => format!("after {boots} boots, with the one in which it is presented"),
    };
    let nonce: String = capability.nonce.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "Its holder may {},\non one device:\n  {}\nIt ends {boots},\nor after {} of uptime, whichever comes \
         first.\nIt answers the nonce {nonce}, and is presented once.\n",
        allow.join(" and "),
        capability.device,
        crate::device::print::span(u64::from(capability.uptime_s) * 1000),
    )
}

fn describe_json(capability: &Capability, by: Option<KeyId>) -> serde_json::Value {
    let nonce: String = capability.nonce.0.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "device": capability.device.to_string(),
        "nonce": nonce,
        "allow": capability.allow.iter().map(|permission| permission.name()).collect::<Vec<_>>(),
        "boots": capability.boots,
        "uptime_s": capability.uptime_s,
        "signed_by": by.map(|by| by.to_string()),
    })
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let step = || format!("can't read `{}`", file.display());
    let found = std::fs::metadata(file).or_fail(Exit::NotFound, step)?;
    if !found.is_file() || found.len() > u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) {
        let what = format!("`{}` is no device capability", file.display());
        return Err(
            Failure::new(Exit::BadInput, what).hint("name a file that `nacre device capability new` made")
        );
    }
    std::fs::read(file).or_fail(Exit::TryAgain, step)
}

fn parse_permission(text: &str) -> Result<Permission, String> {
    let known = || Permission::ALL.map(Permission::name).join(", ");
    Permission::ALL.into_iter().find(|one| one.name() == text).ok_or_else(|| format!("there is: {}", known()))
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let digits = text.as_bytes();
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(value(high)? << 4 | value(low)?),
            _ => None,
        })
        .collect();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("it has {} hexadecimal digits", 2 * N))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_of_the_right_number_are_bytes() {
        assert_eq!(parse_hex::<2>("0aFf"), Ok([0x0a, 0xff]));
        for text in ["", "0a", "0aff00", "0aF", "zzzz", "éé"] {
            assert_eq!(parse_hex::<2>(text), Err("it has 4 hexadecimal digits".into()), "{text}");
        }
    }

    #[test]
    fn capability_is_described_in_sentences_of_eighty_columns() {
        let capability = Capability {
            device: Digest([0xab; 32]),
            nonce: Nonce([0xcd; NONCE_BYTES]),
            allow: vec![Permission::Sideload],
            boots: 3,
            uptime_s: 5400,
        };
        let text = describe(&capability);
        assert_eq!(
            text,
            format!(
                "Its holder may install and remove app packages over the device channel,\non one device:\n  {}\n\
                 It ends after 3 boots, with the one in which it is presented,\n\
                 or after 1h 30m of uptime, whichever comes first.\n\
                 It answers the nonce {}, and is presented once.\n",
                "ab".repeat(32),
                "cd".repeat(16)
            )
        );
    }
}
