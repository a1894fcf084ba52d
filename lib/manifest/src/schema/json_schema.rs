//! The JSON Schema of a kind of file, for editors (draft 7, which `yaml-language-server` reads).

use serde_json::{Map, Value, json};

use super::{Field, Kind, Presence, Shape};

/// The whole schema as text that ends with a line feed, the same bytes each time.
///
/// It refuses no file that the parser takes. What it can't say (a size's bounds, what two fields say together) the
/// parser finds.
pub fn text(kind: Kind) -> String {
    let mut schema = fields(&kind.fields());
    schema.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    schema.insert("title".into(), kind.title().into());
    format!("{:#}\n", Value::Object(schema))
}

fn fields(fields: &[Field]) -> Map<String, Value> {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), Value::Object(self::field(field)))).collect();
    let needed: Vec<&str> =
        fields.iter().filter(|field| field.presence == Presence::Needed).map(|field| field.name).collect();
    let mut schema = object(json!({
        "type": "object", "additionalProperties": false, "properties": properties,
    }));
    if !needed.is_empty() {
        schema.insert("required".into(), needed.into());
    }
    schema
}

fn field(field: &Field) -> Map<String, Value> {
    let mut schema = shape(&field.shape);
    let limits = if field.limits.is_empty() { String::new() } else { format!("\n\n{}.", field.limits) };
    schema.insert("description".into(), format!("{}{limits}", field.about).into());
    if let Presence::Default(yaml) = &field.presence {
        schema.insert("default".into(), value(yaml));
    }
    schema
}

/// A value written in YAML.
fn value(yaml: &str) -> Value {
    serde_yaml::from_str(yaml).unwrap_or_else(|_| yaml.into())
}

fn shape(shape: &Shape) -> Map<String, Value> {
    let one = |shape: &Shape| Value::Object(self::shape(shape));
    object(match shape {
        Shape::Text { syntax, most } => {
            let mut schema = object(json!({ "type": "string" }));
            if !syntax.is_empty() {
                schema.insert("pattern".into(), (*syntax).into());
            }
            if let Some(most) = most {
                schema.insert("maxLength".into(), (*most).into());
            }
            return schema;
        }
        Shape::Words(words) => json!({ "enum": words }),
        Shape::Number { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Boolean => json!({ "type": "boolean" }),
        // A number without a unit is bytes.
        Shape::Amount(super::Amount::Size) => {
            let syntax = super::Amount::Size.syntax();
            json!({ "type": ["string", "integer"], "pattern": syntax, "minimum": 0 })
        }
        Shape::Amount(amount) => json!({ "type": "string", "pattern": amount.syntax() }),
        Shape::List { first, of, least, most, distinct } => {
            let mut schema = object(json!({ "type": "array", "maxItems": most }));
            match first {
                Some(first) => {
                    schema.insert("items".into(), vec![one(first)].into());
                    schema.insert("additionalItems".into(), one(of));
                }
                None => _ = schema.insert("items".into(), one(of)),
            }
            if *least > 0 {
                schema.insert("minItems".into(), (*least).into());
            }
            if *distinct {
                schema.insert("uniqueItems".into(), true.into());
            }
            return schema;
        }
        Shape::Map { names, of, most } => {
            let mut schema = object(json!({
                "type": "object", "propertyNames": { "pattern": names }, "additionalProperties": one(of),
            }));
            if *most != usize::MAX {
                schema.insert("maxProperties".into(), (*most).into());
            }
            return schema;
        }
        Shape::Fields(inner) => return fields(inner),
        Shape::Either(shapes) => json!({ "anyOf": shapes.iter().map(one).collect::<Vec<_>>() }),
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
