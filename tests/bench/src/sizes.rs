//! Sizes of the demo image.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Result;
use crate::table::Row;

/// Kernel and root filesystem of Azure Sphere OS 20.05, in bytes. It is published as an image; there is
/// nothing to run it on here.
const AZURE_SPHERE_KERNEL: u64 = 2_491_164;
const AZURE_SPHERE_ROOT: u64 = 1_577_196;
/// The flash of the MT3620, its chip.
const AZURE_SPHERE_FLASH: u64 = 16 * 1024 * 1024;

/// Rows from the `sizes.json` that `nacre build` wrote.
pub(crate) fn rows(image: &Path) -> Result<Vec<Row>> {
    let sizes: Value = serde_json::from_slice(&fs::read(image.join("sizes.json"))?)?;
    let number = |value: &Value, name: &str| {
        value[name].as_u64().ok_or_else(|| format!("sizes.json has no number `{name}`"))
    };
    let parts = sizes["parts"].as_array().ok_or("sizes.json has no parts")?;
    let part = |name: &str| {
        let part = parts.iter().find(|part| part["name"] == name);
        number(part.ok_or_else(|| format!("sizes.json has no part `{name}`"))?, "bytes")
    };
    Ok(vec![
        Row::of_bytes(
            "slot without apps; Azure Sphere OS 20.05, kernel and root filesystem",
            number(&sizes, "slot_bytes_without_apps")?,
            AZURE_SPHERE_KERNEL + AZURE_SPHERE_ROOT,
        ),
        Row::of_bytes("kernel; Azure Sphere OS", part("kernel")?, AZURE_SPHERE_KERNEL),
        Row::of_bytes("root filesystem; Azure Sphere OS", part("rootfs")?, AZURE_SPHERE_ROOT),
        Row::of_bytes("whole disk; flash of the MT3620", number(&sizes, "disk_bytes")?, AZURE_SPHERE_FLASH),
    ])
}
