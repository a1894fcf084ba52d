//! Who an app is: the fields that every Azure Sphere manifest has.

use nacre_diag::{Report, did_you_mean};

use super::MAX_MANIFEST;
use super::json::{self, Field, Node};
use super::reading::{Reading, field, short};
use super::text::Text;

/// What the ids of imported apps begin with.
const PREFIX: &str = "azure-sphere.";

/// Bytes of a component id (`nacre_manifest::component`).
const MAX_ID: usize = 64;

/// Who an app is.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) name: String,
    /// The ComponentId, in lower case.
    pub(super) guid: String,
    /// The component id of Nacre.
    pub(super) id: String,
    pub(super) kind: Kind,
}

/// ApplicationType.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Default,
    RealTimeCapable,
    Debugger,
}

/// Another app, by its own manifest.
#[derive(Debug, Clone)]
pub struct Peer {
    pub(super) identity: Identity,
    pub(super) file: String,
}

impl Peer {
    /// Reads who the app is.
    ///
    /// # Errors
    /// Exit code 65 if it is not an Azure Sphere manifest.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, Report> {
        let text = Text::decode(file, bytes, MAX_MANIFEST)?;
        let root = json::read(&text)?;
        let mut reading = Reading::new(&text);
        let identity = fields(&mut reading, &root).and_then(|fields| read(&mut reading, &root, fields));
        reading.finish_some(identity).map(|identity| Self { identity, file: file.to_owned() })
    }
}

/// The fields of a manifest; a problem if it is something else.
pub(super) fn fields<'n>(reading: &mut Reading<'_>, root: &'n Node) -> Option<&'n [Field]> {
    const FORM: &str =
        "name an app's app_manifest.json, which has SchemaVersion, Name, ComponentId and EntryPoint";
    let json::Value::Map(fields) = &root.value else {
        reading.bad(&(root.at.start..root.at.start + 1), "not an Azure Sphere manifest", FORM);
        return None;
    };
    let known = ["SchemaVersion", "ComponentId", "Capabilities", "EntryPoint"];
    if known.iter().any(|name| field(fields, name).is_some()) {
        return Some(fields);
    }
    let hint = if field(fields, "Peripherals").is_some() || field(fields, "Imports").is_some() {
        "it is a hardware definition: name the app's app_manifest.json, and this one with --hardware"
    } else {
        FORM
    };
    reading.bad_file("not an Azure Sphere manifest", hint);
    None
}

/// Reads SchemaVersion, Name, ComponentId and ApplicationType.
pub(super) fn read(reading: &mut Reading<'_>, root: &Node, fields: &[Field]) -> Option<Identity> {
    if let Some(version) = need(reading, root, fields, "SchemaVersion", "1")
        && !matches!(&version.value, json::Value::Number(number) if number == "1")
    {
        let hint = "1 is the only version that Azure Sphere ever had";
        reading.bad(&version.at, "`SchemaVersion` must be 1", hint);
    }
    let name =
        need(reading, root, fields, "Name", "\"Thermostat\"").and_then(|node| reading.text(node, "Name"));
    let example = "\"01234567-89ab-cdef-0123-456789abcdef\"";
    let guid = need(reading, root, fields, "ComponentId", example).and_then(|node| {
        let text = reading.text(node, "ComponentId")?;
        let found = guid(text);
        if found.is_none() {
            let hint = format!("write 32 hexadecimal digits in five groups, like {example}");
            reading.bad(&node.at, format!("`ComponentId`: `{}` is not a GUID", short(text)), hint);
        }
        found
    });
    let kind = match field(fields, "ApplicationType") {
        Some(field) => kind(reading, &field.value),
        None => Some(Kind::Default),
    };
    let (name, guid) = (name?, guid?);
    Some(Identity { name: name.to_owned(), id: component_id(name, &guid), guid, kind: kind? })
}

/// A field that must be there.
pub(super) fn need<'n>(
    reading: &mut Reading<'_>,
    root: &Node,
    fields: &'n [Field],
    name: &str,
    example: &str,
) -> Option<&'n Node> {
    let found = field(fields, name);
    if found.is_none() {
        let near = did_you_mean(name, fields.iter().map(|field| field.key.as_str()));
        let meant = near.and_then(|near| fields.iter().find(|field| field.key == near));
        match meant.filter(|field| !is_known(&field.key)) {
            Some(field) => {
                let message = format!("`{}` is no field of a manifest", short(&field.key));
                reading.bad(&field.key_at, message, format!("did you mean `{name}`?"));
            }
            None => {
                let hint = format!("add it, like `\"{name}\": {example}`");
                reading.bad(&(root.at.start..root.at.start + 1), format!("missing field `{name}`"), hint);
            }
        }
    }
    found.map(|field| &field.value)
}

/// Every field of a manifest.
pub(super) const FIELDS: [&str; 10] = [
    "SchemaVersion",
    "Name",
    "ComponentId",
    "EntryPoint",
    "CmdArgs",
    "Capabilities",
    "ApplicationType",
    "TargetBetaApis",
    "MallocVersion",
    "Policy",
];

fn is_known(key: &str) -> bool {
    FIELDS.iter().any(|name| name.eq_ignore_ascii_case(key))
}

fn kind(reading: &mut Reading<'_>, node: &Node) -> Option<Kind> {
    const KINDS: [(&str, Kind); 3] = [
        ("Default", Kind::Default),
        ("RealTimeCapable", Kind::RealTimeCapable),
        ("Debugger", Kind::Debugger),
    ];
    let text = reading.text(node, "ApplicationType")?;
    let found = KINDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    if found.is_none() {
        let hint = match did_you_mean(text, KINDS.map(|(name, _)| name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "known: Default, RealTimeCapable, Debugger".to_owned(),
        };
        reading.bad(&node.at, format!("`ApplicationType`: `{}` is not known", short(text)), hint);
    }
    found.map(|(_, kind)| *kind)
}

/// A GUID in lower case (RFC 9562, section 4).
pub(super) fn guid(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split('-').collect();
    let good = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| text.to_ascii_lowercase())
}

/// A component id made of the name; of the GUID if no letter of the name can be in one.
fn component_id(name: &str, guid: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let label = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    let label = label.get(..MAX_ID - PREFIX.len()).unwrap_or(&label).trim_end_matches('-');
    if label.is_empty() {
        return format!("{PREFIX}app-{}", guid.split('-').next().unwrap_or_default());
    }
    format!("{PREFIX}{label}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn component_id_of_any_name_is_one() {
        let long = "Ab ".repeat(60);
        let table = [
            ("Thermostat", "azure-sphere.thermostat"),
            ("My_App (v2)", "azure-sphere.my-app-v2"),
            ("com.example.pump", "azure-sphere.com-example-pump"),
            ("--", "azure-sphere.app-01234567"),
            ("", "azure-sphere.app-01234567"),
            ("größe", "azure-sphere.gr-e"),
        ];
        for (name, expected) in table {
            assert_eq!(component_id(name, "01234567-89ab-cdef-0123-456789abcdef"), expected);
        }
        for name in [long.as_str(), &"x".repeat(51), &format!("{}-y", "x".repeat(50))] {
            let id: nacre_manifest::component::ComponentId = component_id(name, "").parse().expect("an id");
            assert!(id.as_str().len() <= MAX_ID);
        }
    }

    #[test]
    fn guid_has_its_form() {
        assert_eq!(
            guid("01234567-89AB-cdef-0123-456789abcdef").as_deref(),
            Some("01234567-89ab-cdef-0123-456789abcdef")
        );
        for text in [
            "",
            "0123456789abcdef0123456789abcdef",
            "{01234567-89ab-cdef-0123-456789abcdef}",
            "g1234567-89ab-cdef-0123-456789abcdef",
        ] {
            assert_eq!(guid(text), None, "{text}");
        }
    }
}
