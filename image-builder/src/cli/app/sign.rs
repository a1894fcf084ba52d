//! `nacre app sign`: at once with a key that is here, or in three steps with one that is elsewhere.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nacre_verify::envelope::ParseToBeSignedError;
use nacre_verify::key::{KEY_ID_BYTES, KeyId, PublicKey, SIGNATURE_BYTES};
use nacre_verify::package::{MAX_MANIFEST_BYTES, ParseRequestError, open_package, write_package};
use nacre_verify::slot::ReadAt as _;
use serde_json::json;

use super::package;
use crate::failure::{Exit, Failure, OrFail};
use crate::inspect::file::FileRange;
use crate::keys::{KeyFolder, KeyStore, Role};
use crate::package_file::known_keys::KnownKeys;
use crate::package_file::open::PackageFile;
use crate::package_file::report::Statement;
use crate::package_file::request::{ReadRequestError, Request, with_signature};
use crate::package_file::{text, write};
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app sign tool.app --keys factory
  nacre app sign tool.app --export-request tool.request --key-id 5d0c…
  nacre app sign --request tool.request --keys factory --out tool.signature
  nacre app sign tool.app --signature tool.signature

The first signs at once. The other three sign with a key that never leaves its
machine: the request travels there, the signature (64 bytes, Ed25519) travels
back. What is signed is shown before it is; compare the request's SHA-256 on
both machines. A request is for one key, which --key-id names, or --keys NAME
if the public part of that key set is here. It holds the hash of the app's
files, not the files: look at those before, with the package. Nothing but an app
package's request is ever signed.

FILE.app, or the file that --out names, is replaced in one step when everything
has been checked; on any error it stays as it is.

Exit codes: 0 done; 64 the key may not sign this; 65 not a package, a request or
a signature; 66 there is no such file or key; 69 a request of another kind of
thing, an image that is not the signed one, a signature that does not match.";

/// Arguments of `nacre app sign`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// An app package.
    #[arg(value_name = "FILE.app", required_unless_present = "request")]
    file: Option<PathBuf>,
    /// Key set whose app key signs, or signed.
    #[arg(long, value_name = "NAME", required_unless_present_any = ["key_id", "signature"])]
    keys: Option<String>,
    /// Write what a key elsewhere has to sign.
    #[arg(long, value_name = "REQUEST", conflicts_with_all = ["request", "signature", "out"])]
    export_request: Option<PathBuf>,
    /// The app key that a request is for, by its id.
    #[arg(long, value_name = "ID", requires = "export_request", value_parser = parse_key_id)]
    key_id: Option<KeyId>,
    /// Sign a request.
    #[arg(long, value_name = "REQUEST", requires = "out", conflicts_with_all = ["file", "signature"])]
    request: Option<PathBuf>,
    /// Put a signature into the package.
    #[arg(long, value_name = "SIGNATURE")]
    signature: Option<PathBuf>,
    /// Write here; without it, FILE.app is replaced.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

fn parse_key_id(text: &str) -> Result<KeyId, String> {
    let wrong =
        || format!("a key id has {} hexadecimal digits, as `nacre key show` prints it", 2 * KEY_ID_BYTES);
    if !text.is_ascii() || text.len() != 2 * KEY_ID_BYTES {
        return Err(wrong());
    }
    let mut id = [0; KEY_ID_BYTES];
    for (at, byte) in id.iter_mut().enumerate() {
        let digits = text.get(2 * at..2 * at + 2).filter(|pair| !pair.starts_with('+')).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(KeyId(id))
}

/// Does it.
pub(super) fn execute(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let Some(file) = &args.file else { return sign_request(args, terminal) };
    let package = package::read(file)?;
    check_image(&package)?;
    match (&args.export_request, &args.signature) {
        (Some(request), _) => export(args, &package, request, terminal),
        (None, Some(signature)) => import(args, &package, signature, terminal),
        (None, None) => sign_here(args, &package, terminal),
    }
}

/// Nobody signs the hash of a filesystem that is not there.
fn check_image(package: &PackageFile) -> Result<(), Failure> {
    if package.image_fits() {
        return Ok(());
    }
    let step = format!("`{}`: app.img is not the one that its manifest describes", package.path.display());
    Err(Failure::new(Exit::VerificationFailed, step).hint("get it again from who made it, or build it again"))
}

fn sign_here(args: &Args, package: &PackageFile, terminal: &Terminal) -> Result<(), Failure> {
    let set = key_set(args)?;
    let key = set.private(Role::App)?;
    let request = Request::new(&package.content, PublicKey::of(&key).id()).or_fail(Exit::BadInput, bad)?;
    show(args, &request, terminal)?;
    let signed = package.content.payload.sign(&key).or_fail(Exit::BadInput, bad)?;
    let bytes = write_package(&signed, &package.image).or_fail(Exit::BadInput, bad)?;
    put_package(args, package, &bytes, &[PublicKey::of(&key)], terminal)?;
    warn_of_development(&set, terminal);
    let out = args.out.as_ref().unwrap_or(&package.path);
    done(args, "package", out, &request)
}

fn export(args: &Args, package: &PackageFile, out: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let key = match (args.key_id, &args.keys) {
        (Some(key), None) => key,
        (key, _) => app_key(&key_set(args)?, key)?,
    };
    let request = Request::new(&package.content, key).or_fail(Exit::BadInput, bad)?;
    not_over(out, &package.path, "--export-request")?;
    show(args, &request, terminal)?;
    write::put(out, &request.bytes)?;
    terminal.notice(&format!("wrote the request, {} bytes: {}", request.bytes.len(), out.display()));
    terminal.notice("where the key is: nacre app sign --request REQUEST --keys NAME --out SIGNATURE");
    done(args, "request", out, &request)
}

fn sign_request(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    // clap asks for both.
    let (Some(path), Some(out)) = (&args.request, &args.out) else {
        return Err(Failure::new(Exit::Usage, "name a package, or a request and --out"));
    };
    let bytes = read_small(path, MAX_MANIFEST_BYTES)?;
    let request = Request::parse(&bytes).map_err(|error| {
        let exit = match &error {
            ReadRequestError::Parse(ParseRequestError::Envelope(ParseToBeSignedError::WrongKind {
                ..
            })) => Exit::VerificationFailed,
            _ => Exit::BadInput,
        };
        Failure::new(exit, format!("`{}`: nothing is signed", path.display()))
            .because(error)
            .hint("make the request with: nacre app sign FILE.app --export-request REQUEST")
    })?;
    not_over(out, path, "--out")?;
    let set = key_set(args)?;
    let key = set.private(Role::App)?;
    let own = PublicKey::of(&key).id();
    if own != request.key {
        let step =
            format!("`{}` is for the key {}, not for {own} of `{}`", path.display(), request.key, set.name);
        return Err(Failure::new(Exit::Refused, step)
            .hint("choose the key set with --keys, or make the request again with --key-id"));
    }
    show(args, &request, terminal)?;
    write::put(out, &request.content.payload.signature(&key).or_fail(Exit::BadInput, bad)?)?;
    terminal.notice(&format!("wrote the signature, {SIGNATURE_BYTES} bytes: {}", out.display()));
    warn_of_development(&set, terminal);
    done(args, "signature", out, &request)
}

fn import(args: &Args, package: &PackageFile, path: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let bytes = read_small(path, SIGNATURE_BYTES)?;
    let signature = <&[u8; SIGNATURE_BYTES]>::try_from(bytes.as_slice()).map_err(|_| {
        let step = format!(
            "`{}` has {} bytes, not the {SIGNATURE_BYTES} of a signature",
            path.display(),
            bytes.len()
        );
        Failure::new(Exit::BadInput, step).hint("name what `nacre app sign --request` wrote")
    })?;
    let keys = match &args.keys {
        Some(_) => key_set(args)?.set.app_keys(),
        None => KnownKeys::load(None)?.app_keys(),
    };
    if keys.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            "could not check the signature: there is no app key to do it with",
        )
        .hint("put the key set's public part (root.pub, key-set.cose) into a folder of the key store"));
    }
    let Some((signed, key)) = with_signature(package, signature, &keys) else {
        let step = format!(
            "`{}` is no signature of `{}` by a trusted app key",
            path.display(),
            package.path.display()
        );
        return Err(Failure::new(Exit::VerificationFailed, step)
            .hint("the package may have changed since the request was made: make the request again"));
    };
    let known = KnownKeys::load(None)?;
    terminal.notice(&format!("signed by {}", text::key(&known.standing(key))));
    put_package(args, package, &signed, &keys, terminal)?;
    let request = Request::new(&package.content, key).or_fail(Exit::BadInput, bad)?;
    done(args, "package", args.out.as_ref().unwrap_or(&package.path), &request)
}

/// Verifies a package as the device will, then puts it in its place.
fn put_package(
    args: &Args,
    package: &PackageFile,
    bytes: &[u8],
    keys: &[PublicKey],
    terminal: &Terminal,
) -> Result<(), Failure> {
    open_package(bytes, keys).or_fail(Exit::VerificationFailed, || {
        format!("`{}` does not verify with its new signature", package.path.display())
    })?;
    let out = args.out.as_ref().unwrap_or(&package.path);
    write::put(out, bytes)?;
    terminal.notice(&format!("wrote the signed package: {}", out.display()));
    Ok(())
}

/// Says for programs what was written, and what it is that is signed.
fn done(args: &Args, what: &str, path: &Path, request: &Request) -> Result<(), Failure> {
    if !args.json {
        return Ok(());
    }
    let json = json!({
        "wrote": what,
        "path": path.display().to_string(),
        "key": KnownKeys::load(None)?.standing(request.key),
        "request_sha256": request.sha256().to_string(),
        "statement": Statement::of(&request.content),
    });
    crate::cli::print(&format!("{json:#}\n"))
}

/// Shows what is signed.
fn show(args: &Args, request: &Request, terminal: &Terminal) -> Result<(), Failure> {
    if args.json {
        return Ok(());
    }
    let statement = text::statement(&Statement::of(&request.content), package::colour(terminal));
    let key = text::key(&KnownKeys::load(None)?.standing(request.key));
    let asked = text::named("key", &key)
        + &text::named("request", "SHA-256")
        + &text::named("", &request.sha256().to_string());
    crate::cli::print(&(asked + &statement))
}

fn key_set(args: &Args) -> Result<KeyFolder, Failure> {
    let name = args.keys.as_deref().ok_or_else(|| Failure::new(Exit::Usage, "name a key set with --keys"))?;
    KeyStore::open()?.load(name)
}

/// The app key that a request is for: the one that was named, or the only one there is.
fn app_key(set: &KeyFolder, named: Option<KeyId>) -> Result<KeyId, Failure> {
    let ids: Vec<KeyId> = set.set.app_keys().iter().map(PublicKey::id).collect();
    match (named, ids.as_slice()) {
        (Some(id), ids) if ids.contains(&id) => Ok(id),
        (None, [only]) => Ok(*only),
        (Some(id), _) => {
            let step = format!("{id} is not an app key of `{}`, or is revoked", set.name);
            Err(Failure::new(Exit::Refused, step).hint(format!("see: nacre key show {}", set.name)))
        }
        (None, ids) => {
            let step = format!("`{}` has {} app keys that may sign", set.name, ids.len());
            Err(Failure::new(Exit::Refused, step)
                .hint(format!("name one with --key-id (nacre key show {})", set.name)))
        }
    }
}

fn warn_of_development(set: &KeyFolder, terminal: &Terminal) {
    if set.set.development {
        terminal.warning("signed with development keys, which protect nothing");
    }
}

fn not_over(out: &Path, input: &Path, option: &str) -> Result<(), Failure> {
    if !write::is_same(out, input) {
        return Ok(());
    }
    let step = format!("`{}` would be written over what it is made from", out.display());
    Err(Failure::new(Exit::Refused, step).hint(format!("name another file with {option}")))
}

/// A file of at most so many bytes.
fn read_small(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let step = || format!("can't read `{}`", path.display());
    let exit = |error: &std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Exit::NotFound,
        ErrorKind::IsADirectory => Exit::BadInput,
        _ => Exit::TryAgain,
    };
    let failed = |error: std::io::Error| Failure::new(exit(&error), step()).because(error);
    if fs::metadata(path).map_err(failed)?.is_dir() {
        return Err(Failure::new(Exit::BadInput, format!("`{}` is a folder", path.display())));
    }
    let file = FileRange::whole(path).map_err(failed)?;
    let bytes = file.len();
    if usize::try_from(bytes).is_ok_and(|bytes| bytes <= most) {
        return file.read(0, bytes).map_err(failed);
    }
    let step = format!("`{}` has {bytes} bytes, and {most} are the most that it may have", path.display());
    Err(Failure::new(Exit::BadInput, step))
}

fn bad() -> String {
    "can't sign the package".to_owned()
}
