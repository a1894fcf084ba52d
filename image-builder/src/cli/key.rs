//! `nacre key`.

use clap::Subcommand;
use nacre_verify::key::PublicKey;
use serde_json::json;

use crate::failure::Failure;
use crate::keys::{DEVELOPMENT, KeyFolder, KeyStore, Purpose};
use crate::terminal::Terminal;

/// Arguments of `nacre key`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  nacre key new factory\n  nacre key show factory\n\n\
    Keys are kept in $NACRE_KEYS, else $XDG_DATA_HOME/nacre/keys, else\n\
    ~/.local/share/nacre/keys.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a set of keys: root, os, app, capability.
    #[command(
        after_help = "Example:\n  nacre key new factory\n\nThe root key is needed again only to change the set: \
        move root.key to a\nsafe place."
    )]
    New(New),
    /// Show the public halves of a set, or of all sets.
    #[command(after_help = "Example:\n  nacre key show development --json")]
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct New {
    /// Name of the set: a-z, 0-9, hyphens, underscores.
    name: String,
    /// Mark the set as one that anybody may hold.
    #[arg(long)]
    development: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Name of the set; all sets without it.
    name: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let store = KeyStore::open()?;
    match args.command {
        Command::New(new) => make(&store, &new, terminal),
        Command::Show(show) => print(&store, &show),
    }
}

fn make(store: &KeyStore, new: &New, terminal: &Terminal) -> Result<(), Failure> {
    let development = new.development || new.name == DEVELOPMENT;
    let purpose = if development { Purpose::Development } else { Purpose::Production };
    let set = store.create(&new.name, purpose)?;
    terminal.notice(&format!("made the key set `{}` in `{}`", set.name, set.path.display()));
    if !development {
        terminal.notice("root.key is needed again only to change the set: move it to a safe place");
    }
    super::print(&text(&set))
}

fn print(store: &KeyStore, show: &Show) -> Result<(), Failure> {
    let names = match &show.name {
        Some(name) => vec![name.clone()],
        None => store.names(),
    };
    let sets = names.iter().map(|name| store.load(name)).collect::<Result<Vec<_>, _>>()?;
    if !show.json {
        return super::print(&sets.iter().map(text).collect::<Vec<_>>().join("\n"));
    }
    let sets: Vec<_> = sets.iter().map(object).collect();
    let value = if show.name.is_some() { sets.into_iter().next().unwrap_or_default() } else { json!(sets) };
    super::print(&format!("{value:#}\n"))
}

fn text(set: &KeyFolder) -> String {
    let kind = if set.set.development { ", development: anybody may hold its private keys" } else { "" };
    let mut out = format!("{}: version {}{kind}\n", set.name, set.set.version);
    for (role, keys) in roles(set) {
        for key in keys {
            let revoked = if set.set.is_revoked(key.id()) { " revoked" } else { "" };
            out.push_str(&format!("  {role:<11} {} {}{revoked}\n", key.id(), hex(key.as_bytes())));
        }
    }
    out
}

fn object(set: &KeyFolder) -> serde_json::Value {
    let mut object = json!({
        "name": set.name,
        "version": set.set.version,
        "rollback_index": set.set.rollback_index,
        "development": set.set.development,
        "revoked": set.set.revoked.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    for (role, keys) in roles(set) {
        let keys = keys.iter().map(|k| json!({ "id": k.id().to_string(), "public": hex(k.as_bytes()) }));
        object[role] = keys.collect();
    }
    object
}

fn roles(set: &KeyFolder) -> [(&'static str, &[PublicKey]); 4] {
    [
        ("root", std::slice::from_ref(&set.root)),
        ("os", &set.set.os),
        ("app", &set.set.app),
        ("capability", &set.set.capability),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
