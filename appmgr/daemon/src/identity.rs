//! Who this device is, and the device capability that holds on it now.
//!
//! Both are kept in the state folder, which only root reads: `device-key`, made when it is first needed, and `capability`,
//! written anew before anything that it counts is granted.

use std::io;
use std::path::{Path, PathBuf};

use minicbor::{Decode, Encode};
use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::lease::{Boot, Kept, Lease, Verdict};
use nacre_sys::file::{read_open, read_text};
use nacre_verify::capability::{Capability, DeviceId, MAX_BYTES, Nonce, Permission, VerifyCapabilityError};
use nacre_verify::digest::Digest;
use nacre_verify::key::{PublicKey, SigningKey};
use nacre_wire::channel::Lasting;

use crate::plain_file;

/// The device's private key, 32 bytes.
const KEY_FILE: &str = "device-key";

/// A [`Record`].
const RECORD_FILE: &str = "capability";

/// Longest record, in bytes: a capability and some numbers.
const MAX_RECORD: u64 = 1024;

/// Another one with each boot (`random(4)`).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Record {
    /// What the next capability must answer.
    #[n(0)]
    nonce: Nonce,
    /// The last one that was presented, until it is over.
    #[n(1)]
    granted: Option<Granted>,
}

/// A capability that was presented, and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Granted {
    /// As it was signed: who writes the disk offline can't make one.
    #[cbor(n(0), with = "minicbor::bytes")]
    signed: Vec<u8>,
    #[n(1)]
    boots: u32,
    #[n(2)]
    left_ms: u64,
    #[n(3)]
    until_ms: u64,
    /// The boot in which this was written.
    #[n(4)]
    boot: String,
}

/// Why a capability is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PresentError {
    #[error(transparent)]
    Verify(#[from] VerifyCapabilityError),
    #[error("it is for the device {0}, and this is {1}")]
    OtherDevice(DeviceId, DeviceId),
    #[error("it answers another nonce than this device's: it was presented before, or another one was since")]
    OtherNonce,
    #[error("read or keep this device's identity")]
    Kept(#[from] io::Error),
}

/// The device's key and its capability.
#[derive(Debug)]
pub(crate) struct Identity {
    state: PathBuf,
    id: Option<DeviceId>,
    held: Option<(Capability, Vec<u8>, Lease)>,
}

impl Identity {
    /// Nothing is read yet.
    pub(crate) fn new(state: &Path) -> Self {
        Self { state: state.into(), id: None, held: None }
    }

    /// The device's id; its key is made if there is none.
    pub(crate) fn id(&mut self) -> io::Result<DeviceId> {
        if let Some(id) = self.id {
            return Ok(id);
        }
        let seed = match self.read(KEY_FILE)?.map(<[u8; 32]>::try_from) {
            Some(Ok(seed)) => seed,
            _ => {
                let seed = random()?;
                plain_file::replace(&self.state, KEY_FILE, &seed)?;
                seed
            }
        };
        let public = PublicKey::of(&SigningKey::from_bytes(&seed));
        Ok(*self.id.insert(Digest::of(public.as_bytes())))
    }

    /// What the next capability must answer.
    pub(crate) fn nonce(&mut self) -> io::Result<Nonce> {
        if let Some(record) = self.record()? {
            return Ok(record.nonce);
        }
        let record = Record { nonce: Nonce(random()?), granted: None };
        self.store(&record)?;
        Ok(record.nonce)
    }

    /// Takes a capability, in place of the one before. It holds once it is kept, and its nonce is used up with that.
    pub(crate) fn present(
        &mut self,
        signed: &[u8],
        keys: &[PublicKey],
        now: Uptime,
    ) -> Result<(), PresentError> {
        let (capability, _) = Capability::verify(signed, keys)?;
        let id = self.id()?;
        if capability.device != id {
            return Err(PresentError::OtherDevice(capability.device, id));
        }
        if capability.nonce != self.nonce()? {
            return Err(PresentError::OtherNonce);
        }
        let lease = Lease::begin(capability.boots, capability.uptime_s, now);
        self.keep(Nonce(random()?), Some((signed, &lease)))?;
        self.held = Some((capability, signed.to_vec(), lease));
        Ok(())
    }

    /// Goes on with the capability that an earlier boot, or an earlier app manager, has kept. What there is to say of
    /// it.
    pub(crate) fn resume(&mut self, keys: &[PublicKey], now: Uptime) -> Option<String> {
        let Ok(Some(Record { nonce, granted: Some(granted) })) = self.record() else { return None };
        let Ok((capability, _)) = Capability::verify(&granted.signed, keys) else {
            return Some("the device capability that was kept is not good: it holds no more".into());
        };
        if self.id().ok() != Some(capability.device) {
            return Some("the device capability that was kept is for another device".into());
        }
        let boot = if granted.boot == boot_id() { Boot::Same } else { Boot::Another };
        let kept = Kept { boots: granted.boots, left_ms: granted.left_ms, until_ms: granted.until_ms };
        let lease = Lease::resume(kept, capability.uptime_s, boot, now);
        let stored = self.keep(nonce, lease.as_ref().map(|lease| (granted.signed.as_slice(), lease)));
        match (stored, lease) {
            (Ok(()), Some(lease)) => {
                self.held = Some((capability, granted.signed, lease));
                None
            }
            (Ok(()), None) => Some("the device capability is over".into()),
            (Err(error), _) => {
                Some(format!("the device capability can't be counted, and holds no more: {error}"))
            }
        }
    }

    /// When [`Identity::pass`] does something next.
    pub(crate) fn deadline(&self) -> Option<Uptime> {
        self.held.as_ref().map(|(_, _, lease)| lease.deadline())
    }

    /// Counts the time that has passed. What there is to say of it.
    pub(crate) fn pass(&mut self, now: Uptime) -> Option<String> {
        let (_, signed, lease) = self.held.as_mut()?;
        let verdict = lease.pass(now);
        let (signed, lease) = match verdict {
            Verdict::Holds => return None,
            Verdict::Keep => (signed.clone(), Some(*lease)),
            Verdict::Over => (Vec::new(), None),
        };
        let kept = self.record().and_then(|record| match record {
            Some(record) => self.keep(record.nonce, lease.as_ref().map(|lease| (signed.as_slice(), lease))),
            None => Err(io::ErrorKind::NotFound.into()),
        });
        let text = match kept {
            Ok(()) if lease.is_some() => return None,
            Ok(()) => "the device capability is over".to_owned(),
            Err(error) => format!("the device capability can't be counted, and holds no more: {error}"),
        };
        self.held = None;
        Some(text)
    }

    /// Whether the capability that holds permits something.
    pub(crate) fn permits(&self, what: Permission) -> bool {
        self.held.as_ref().is_some_and(|(capability, ..)| capability.allow.contains(&what))
    }

    /// What is left of it.
    pub(crate) fn lasting(&self, now: Uptime) -> Option<Lasting> {
        let (_, _, lease) = self.held.as_ref()?;
        let uptime_s = u32::try_from(lease.left(now).as_secs()).unwrap_or(u32::MAX);
        Some(Lasting { boots: lease.boots(), uptime_s })
    }

    fn keep(&self, nonce: Nonce, granted: Option<(&[u8], &Lease)>) -> io::Result<()> {
        let granted = granted.map(|(signed, lease)| {
            let Kept { boots, left_ms, until_ms } = lease.kept();
            Granted { signed: signed.to_vec(), boots, left_ms, until_ms, boot: boot_id() }
        });
        self.store(&Record { nonce, granted })
    }

    fn store(&self, record: &Record) -> io::Result<()> {
        plain_file::replace(&self.state, RECORD_FILE, &nacre_manifest::device::encode(record))
    }

    /// One that is damaged is none: the nonce is another one then, so that nothing old comes back with it.
    fn record(&self) -> io::Result<Option<Record>> {
        let bytes = self.read(RECORD_FILE)?;
        Ok(bytes.and_then(|bytes| nacre_manifest::device::decode(&bytes).ok()).filter(|record: &Record| {
            record.granted.as_ref().is_none_or(|granted| granted.signed.len() <= MAX_BYTES)
        }))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match plain_file::open(&self.state.join(name)) {
            Ok(mut file) => read_open(&mut file, MAX_RECORD).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // Somebody put something else in its place.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn boot_id() -> String {
    let text = read_text(Path::new(BOOT_ID), 64).unwrap_or_default();
    text.trim_end().to_owned()
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const HOUR: u32 = 3600;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[5; 32])
    }

    fn keys() -> [PublicKey; 1] {
        [PublicKey::of(&key())]
    }

    fn at(seconds: u64) -> Uptime {
        Uptime::from_millis(seconds * 1000)
    }

    fn capability(identity: &mut Identity) -> Capability {
        let (device, nonce) = (identity.id().unwrap(), identity.nonce().unwrap());
        Capability { device, nonce, allow: vec![Permission::Sideload], boots: 1, uptime_s: HOUR }
    }

    /// As after a restart of the device: the boot that is noted is another one.
    fn reboot(state: &Path) -> Identity {
        let mut identity = Identity::new(state);
        let mut record = identity.record().unwrap().unwrap();
        if let Some(granted) = &mut record.granted {
            granted.boot = "another".into();
        }
        identity.store(&record).unwrap();
        identity.resume(&keys(), at(1));
        identity
    }

    #[test]
    fn device_keeps_its_id_and_nobody_else_reads_its_key() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let id = Identity::new(dir.path()).id().unwrap();
        assert_eq!(Identity::new(dir.path()).id().unwrap(), id);
        let mode = fs::metadata(dir.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(Identity::new(other.path()).id().unwrap(), id);
    }

    #[test]
    fn capability_holds_once_and_answers_one_nonce() {
        let dir = tempfile::tempdir().unwrap();
        let mut identity = Identity::new(dir.path());
        let signed = capability(&mut identity).sign(&key()).unwrap();
        assert!(!identity.permits(Permission::Sideload));
        identity.present(&signed, &keys(), at(5)).unwrap();
        assert!(identity.permits(Permission::Sideload));
        assert_eq!(identity.lasting(at(65)), Some(Lasting { boots: 1, uptime_s: HOUR - 60 }));
        let again = identity.present(&signed, &keys(), at(6));
        assert!(matches!(again, Err(PresentError::OtherNonce)), "{again:?}");
        assert_eq!(identity.pass(at(u64::from(HOUR) + 5)), Some("the device capability is over".into()));
        assert!(!identity.permits(Permission::Sideload));
        let late = identity.present(&signed, &keys(), at(7));
        assert!(matches!(late, Err(PresentError::OtherNonce)), "{late:?}");
    }

    #[test]
    fn capability_of_another_device_or_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut identity = Identity::new(dir.path());
        let good = capability(&mut identity);
        let other = Capability { device: Digest([9; 32]), ..good.clone() }.sign(&key()).unwrap();
        let refused = identity.present(&other, &keys(), at(5));
        assert!(matches!(refused, Err(PresentError::OtherDevice(..))), "{refused:?}");
        let stranger = good.sign(&SigningKey::from_bytes(&[6; 32])).unwrap();
        let refused = identity.present(&stranger, &keys(), at(5));
        assert!(matches!(refused, Err(PresentError::Verify(_))), "{refused:?}");
        assert!(!identity.permits(Permission::Sideload));
        identity.present(&good.sign(&key()).unwrap(), &keys(), at(5)).unwrap();
    }

    #[test]
    fn capability_lasts_its_boots_and_a_restart_of_the_app_manager_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut identity = Identity::new(dir.path());
        let two = Capability { boots: 2, ..capability(&mut identity) };
        identity.present(&two.sign(&key()).unwrap(), &keys(), at(5)).unwrap();
        let mut again = Identity::new(dir.path());
        assert_eq!(again.resume(&keys(), at(9)), None);
        assert_eq!(again.lasting(at(9)).map(|left| left.boots), Some(2));
        let second = reboot(dir.path());
        assert_eq!(second.lasting(at(1)).map(|left| left.boots), Some(1));
        assert!(second.permits(Permission::Sideload));
        assert!(!reboot(dir.path()).permits(Permission::Sideload), "the third boot");
        assert!(!reboot(dir.path()).permits(Permission::Sideload), "it stays over");
    }

    #[test]
    fn capability_record_that_somebody_wrote_grants_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut identity = Identity::new(dir.path());
        let good = capability(&mut identity);
        let stranger = good.sign(&SigningKey::from_bytes(&[6; 32])).unwrap();
        let lease = Lease::begin(9, HOUR, at(5));
        identity.keep(good.nonce, Some((&stranger, &lease))).unwrap();
        assert!(identity.resume(&keys(), at(5)).unwrap().contains("not good"));
        assert!(!identity.permits(Permission::Sideload));
        for garbage in [&b""[..], b"\xa0", &[0xff; 900]] {
            fs::write(dir.path().join(RECORD_FILE), garbage).unwrap();
            let mut identity = Identity::new(dir.path());
            assert_eq!(identity.resume(&keys(), at(5)), None);
            assert_ne!(identity.nonce().unwrap(), good.nonce);
        }
    }
}
