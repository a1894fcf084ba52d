//! What is in an image, as data.

use nacre_verify::key_set::KeySet;
use nacre_verify::slot::{ENVELOPE_AREA_BYTES, Slot, VerifiedSlot};
use serde::Serialize;

use super::app_report::AppReport;
use super::check::{Finding, Trust, Verdict, check, explain};
use super::claim;
use super::file::FileRange;
use super::partitions::{self, Partition};
use super::root_files::{self, RootFile};
use super::subject::{Kind, Subject};
use crate::device_programs;

/// What is in an image. Sizes are in bytes.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The slot, if there is one. Its fields stand beside those of the report.
    #[serde(flatten)]
    pub slot: Option<SlotReport>,
    /// Whether the board's description beside the slot is the one that was signed, if there is one.
    pub board_file: Option<Standing>,
    /// Partitions of the disk, if there is one.
    pub partitions: Vec<PartitionReport>,
    /// App packages.
    pub apps: Vec<AppReport>,
}

/// Whether something is known to be as its owner made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// True only when it was verified.
    pub verified: bool,
    /// Why it was not.
    pub problem: Option<String>,
}

/// A slot.
#[derive(Debug, Serialize)]
pub struct SlotReport {
    /// File, and partition in it.
    pub source: String,
    /// Whether the rest is to be relied on.
    #[serde(flatten)]
    pub standing: Standing,
    /// Name of the image.
    pub image: String,
    /// Version for people.
    pub version: String,
    /// Version for machines.
    pub rollback_index: u64,
    /// `production` or `development`.
    pub profile: &'static str,
    /// Board.
    pub board: String,
    /// SHA-256 of the board's description.
    pub board_digest: String,
    /// Architecture.
    pub arch: &'static str,
    /// Size of the slot.
    pub slot_bytes: u64,
    /// What of it is used: root filesystem, tree, kernel, device tree, envelope, each from a block's start.
    /// Apps are not in a slot.
    pub slot_bytes_without_apps: u64,
    /// The kernel's command line, with `@SLOT@` for the slot's partition.
    pub command_line: String,
    /// Parts of the slot in their order.
    pub parts: Vec<PartReport>,
    /// Keys of the owner.
    pub keys: KeysReport,
    /// Apps without which a boot has failed.
    pub critical: Vec<CriticalReport>,
    /// Sandbox layers that are off: none in any image but those of the sandbox's own tests.
    pub layers_off: Vec<String>,
    /// Whether its kernel has what the board's leaves out: in no image but those of the sandbox's own tests.
    pub control_kernel: bool,
    /// Whether apps of it can have a network: whether it has netd. Known only of a verified slot.
    pub network: Option<bool>,
    /// Time servers of the image, beside those that its network will offer; only of a verified slot.
    pub time_servers: Vec<String>,
    /// Files of the root filesystem; only of a verified slot.
    pub files: Vec<RootFile>,
    /// Why the files are not listed.
    pub files_problem: Option<String>,
}

/// A part of a slot.
#[derive(Debug, Serialize)]
pub struct PartReport {
    /// `root filesystem`, `hash tree`, `kernel`, `device tree`, `envelope`.
    pub part: &'static str,
    /// First byte in the slot.
    pub offset: u64,
    /// Size.
    pub bytes: u64,
    /// SHA-256, or the root hash of the root filesystem.
    pub hash: Option<String>,
}

/// Keys of the owner, by id.
#[derive(Debug, Serialize)]
pub struct KeysReport {
    /// Version of the key set.
    pub version: u64,
    /// Its version for machines.
    pub rollback_index: u64,
    /// True for a development set, whose private halves anybody may hold.
    pub development: bool,
    /// The OS key that signed the slot, when that is known.
    pub signed_by: Option<String>,
    /// Keys that may sign slots.
    pub os: Vec<String>,
    /// Keys that may sign packages.
    pub app: Vec<String>,
    /// Keys that may sign capabilities.
    pub capability: Vec<String>,
    /// Keys that may sign nothing any more.
    pub revoked: Vec<String>,
}

/// A critical app.
#[derive(Debug, Serialize)]
pub struct CriticalReport {
    /// Component id.
    pub app: String,
    /// The smallest rollback index that is good enough.
    pub min_rollback_index: u64,
}

/// A partition.
#[derive(Debug, Serialize)]
pub struct PartitionReport {
    /// Its name.
    pub name: String,
    /// First byte on the disk.
    pub offset: u64,
    /// Size.
    pub bytes: u64,
    /// Unique GUID.
    pub uuid: String,
}

/// Looks at every subject.
pub fn inspect(subjects: &[Subject], trust: &Trust) -> Report {
    let mut report = Report { slot: None, board_file: None, partitions: Vec::new(), apps: Vec::new() };
    let findings = check(subjects, trust);
    for subject in subjects {
        if subject.kind == Kind::Disk {
            // A damaged table is among the findings.
            let found = partitions::read(&subject.path).unwrap_or_default();
            report.partitions = found.iter().map(PartitionReport::of).collect();
        }
    }
    for finding in &findings {
        match finding.subject.kind {
            Kind::Package => report.apps.push(AppReport::of(finding)),
            Kind::Board => report.board_file = Some(Standing::of(&finding.verdict)),
            Kind::Slot | Kind::Disk if report.slot.is_none() => report.slot = SlotReport::of(finding),
            Kind::Slot | Kind::Disk => {}
        }
    }
    report
}

impl Standing {
    pub(super) fn of(verdict: &Verdict) -> Self {
        let problem = match verdict {
            Verdict::Slot(_) | Verdict::Package(_) | Verdict::Board(_) => None,
            Verdict::Bad { part, error } => Some(format!("{part}: {}", explain(&**error))),
            Verdict::Unchecked(error) => Some(format!("could not be checked: {}", explain(&**error))),
        };
        Self { verified: problem.is_none(), problem }
    }
}

impl SlotReport {
    fn of(finding: &Finding) -> Option<Self> {
        let path = &finding.subject.path;
        let file = match (&finding.partition, finding.subject.kind) {
            (Some(partition), _) => partition.open(path).ok()?,
            (None, Kind::Slot) => FileRange::whole(path).ok()?,
            (None, Kind::Disk | Kind::Package | Kind::Board) => return None,
        };
        let (slot, key_set, signed_by) = match &finding.verdict {
            Verdict::Slot(verified) => {
                let VerifiedSlot { slot, key_set, signed_by } = &**verified;
                (slot.clone(), key_set.clone(), Some(signed_by.to_string()))
            }
            _ => claim::read(&file).map(|(slot, key_set)| (slot, key_set, None))?,
        };
        let mut report = Self::described(finding.name(), Standing::of(&finding.verdict), &slot, &key_set);
        report.keys.signed_by = signed_by;
        if report.standing.verified {
            report.list_files(&file, &slot);
        } else {
            report.files_problem = Some("not listed: the slot is not verified".to_owned());
        }
        Some(report)
    }

    fn described(source: String, standing: Standing, slot: &Slot, key_set: &KeySet) -> Self {
        let parts = &slot.parts;
        let ids =
            |keys: &[nacre_verify::key::PublicKey]| keys.iter().map(|key| key.id().to_string()).collect();
        let part = |part, offset, bytes, hash| PartReport { part, offset, bytes, hash };
        let envelope = slot.slot_bytes.saturating_sub(ENVELOPE_AREA_BYTES);
        let parts = vec![
            part("root filesystem", 0, parts.rootfs.bytes, Some(parts.rootfs.root_hash.to_string())),
            part("hash tree", parts.tree.offset, parts.tree.bytes, None),
            part("kernel", parts.kernel.offset, parts.kernel.bytes, Some(parts.kernel.sha256.to_string())),
            part(
                "device tree",
                parts.device_tree.offset,
                parts.device_tree.bytes,
                Some(parts.device_tree.sha256.to_string()),
            ),
            part("envelope", envelope, ENVELOPE_AREA_BYTES, None),
        ];
        Self {
            source,
            standing,
            image: slot.image.clone(),
            version: slot.version.clone(),
            rollback_index: slot.rollback_index,
            profile: slot.profile.as_str(),
            board: slot.board.clone(),
            board_digest: slot.board_digest.to_string(),
            arch: slot.arch.as_str(),
            slot_bytes: slot.slot_bytes,
            slot_bytes_without_apps: slot.parts.slot_bytes_needed(),
            command_line: slot.command_line_template(),
            parts,
            keys: KeysReport {
                version: key_set.version,
                rollback_index: key_set.rollback_index,
                development: key_set.development,
                signed_by: None,
                os: ids(&key_set.os),
                app: ids(&key_set.app),
                capability: ids(&key_set.capability),
                revoked: key_set.revoked.iter().map(ToString::to_string).collect(),
            },
            critical: slot
                .critical
                .iter()
                .map(|app| CriticalReport {
                    app: app.app.clone(),
                    min_rollback_index: app.min_rollback_index,
                })
                .collect(),
            layers_off: Vec::new(),
            control_kernel: false,
            network: None,
            time_servers: Vec::new(),
            files: Vec::new(),
            files_problem: None,
        }
    }

    fn list_files(&mut self, file: &FileRange, slot: &Slot) {
        let listed = file
            .read(0, slot.parts.rootfs.bytes)
            .map_err(|error| error.to_string())
            .and_then(|rootfs| root_files::list(rootfs).map_err(|error| explain(&error)));
        match listed {
            Ok((files, info)) => {
                self.network = Some(files.iter().any(|file| file.path == device_programs::NETD_PATH));
                self.files = files;
                if let Some(info) = info {
                    self.layers_off = info.all_layers_off();
                    self.control_kernel = info.control_kernel;
                    self.time_servers = info.time_servers;
                }
            }
            Err(problem) => self.files_problem = Some(problem),
        }
    }
}

impl PartitionReport {
    fn of(partition: &Partition) -> Self {
        Self {
            name: partition.name.clone(),
            offset: partition.start,
            bytes: partition.bytes,
            uuid: partition.uuid.clone(),
        }
    }
}
