//! Values of attributes in a document.
//!
//! Texts, numbers, truth values, null, lists and maps are written as they are. What JSON has not is written as a map with one
//! name that begins with `$`: `$binary` (base64), `$textSet`, `$numberSet`, `$binarySet`, `$number` (a text: more digits than
//! other programs keep) and `$map` (a map that would look like one of these).

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::base64;
use mayfly_core::row::{Attribute, normal_number};

use super::Complaint;
use super::node::{Key, Node, Position, Value};
use super::write::Tree;

/// The most digits of a number that every program keeps which reads JSON into a double.
const SAFE_DIGITS: usize = 15;
const NO_NUMBER: &str =
    "this is no number that DynamoDB can store: it has up to 38 digits, and lies between 1E-130 and 9.9E+125";

/// How a value is written.
pub(in crate::mappings) fn tree_of(attribute: &Attribute) -> Tree {
    let escaped = |name: &str, tree| Tree::Map(vec![(name.to_owned(), tree)]);
    let texts = |texts: &BTreeSet<String>| Tree::List(texts.iter().cloned().map(Tree::Text).collect());
    match attribute {
        Attribute::Text(text) => Tree::Text(text.clone()),
        Attribute::Number(digits) if is_safe(digits) => Tree::Number(digits.clone()),
        Attribute::Number(digits) => escaped("$number", Tree::Text(digits.clone())),
        Attribute::Bool(value) => Tree::Bool(*value),
        Attribute::Null => Tree::Null,
        Attribute::Binary(bytes) => escaped("$binary", Tree::Text(base64::encode(bytes))),
        Attribute::List(values) => Tree::List(values.iter().map(tree_of).collect()),
        Attribute::Map(values) => {
            let tree = Tree::Map(values.iter().map(|(name, value)| (name.clone(), tree_of(value))).collect());
            let looks_escaped = values.len() == 1 && values.keys().any(|name| name.starts_with('$'));
            if looks_escaped { escaped("$map", tree) } else { tree }
        }
        Attribute::TextSet(set) => escaped("$textSet", texts(set)),
        Attribute::NumberSet(set) => escaped(
            "$numberSet",
            Tree::List(set.iter().map(|digits| tree_of(&Attribute::Number(digits.clone()))).collect()),
        ),
        Attribute::BinarySet(set) => escaped(
            "$binarySet",
            Tree::List(set.iter().map(|bytes| Tree::Text(base64::encode(bytes))).collect()),
        ),
    }
}

fn is_safe(digits: &str) -> bool {
    digits.bytes().filter(u8::is_ascii_digit).count() <= SAFE_DIGITS
        && normal_number(digits).as_deref() == Some(digits)
}

/// Reads a value; all that is wrong with it goes to the complaints.
pub(super) fn attribute_of(node: Node, complaints: &mut Vec<Complaint>) -> Option<Attribute> {
    Some(match node.value {
        Value::Null => Attribute::Null,
        Value::Bool(value) => Attribute::Bool(value),
        Value::Number(digits) => Attribute::Number(number(node.at, &digits, complaints)?),
        Value::Text(text) => Attribute::Text(text),
        Value::List(nodes) => {
            let read: Vec<_> = nodes.into_iter().map(|node| attribute_of(node, complaints)).collect();
            Attribute::List(read.into_iter().collect::<Option<_>>()?)
        }
        Value::Map(mut fields) => match (fields.pop(), fields.is_empty()) {
            (Some((key, value)), true) if key.name.starts_with('$') => escaped(&key, value, complaints)?,
            (last, _) => {
                fields.extend(last);
                Attribute::Map(map(fields, complaints)?)
            }
        },
    })
}

pub(super) fn map(
    fields: Vec<(Key, Node)>,
    complaints: &mut Vec<Complaint>,
) -> Option<BTreeMap<String, Attribute>> {
    let read: Vec<_> =
        fields.into_iter().map(|(key, node)| Some((key.name, attribute_of(node, complaints)?))).collect();
    read.into_iter().collect()
}

fn escaped(key: &Key, node: Node, complaints: &mut Vec<Complaint>) -> Option<Attribute> {
    let at = node.at;
    match (key.name.as_str(), node.value) {
        ("$binary", Value::Text(text)) => Some(Attribute::Binary(bytes(at, &text, complaints)?)),
        ("$number", Value::Text(text)) => Some(Attribute::Number(number(at, &text, complaints)?)),
        ("$map", Value::Map(fields)) => Some(Attribute::Map(map(fields, complaints)?)),
        ("$textSet", Value::List(nodes)) => set(at, nodes, complaints, text).map(Attribute::TextSet),
        ("$numberSet", Value::List(nodes)) => {
            set(at, nodes, complaints, set_number).map(Attribute::NumberSet)
        }
        ("$binarySet", Value::List(nodes)) => set(at, nodes, complaints, |node, complaints| {
            let at = node.at;
            bytes(at, &text(node, complaints)?, complaints)
        })
        .map(Attribute::BinarySet),
        ("$binary" | "$number", value) => {
            complain(at, &format!("a text is expected here, and not {}", value.kind()), complaints)
        }
        ("$map", value) => {
            complain(at, &format!("a map is expected here, and not {}", value.kind()), complaints)
        }
        ("$textSet" | "$numberSet" | "$binarySet", value) => {
            complain(at, &format!("a list is expected here, and not {}", value.kind()), complaints)
        }
        (name, _) => {
            let reason = format!(
                "`{name}` is none of $binary, $number, $textSet, $numberSet, $binarySet and $map; a map whose only name \
                 begins with `$` is written within `$map`"
            );
            complain(key.at, &reason, complaints)
        }
    }
}

fn complain<T>(at: Position, reason: &str, complaints: &mut Vec<Complaint>) -> Option<T> {
    complaints.push(Complaint::new(at, reason));
    None
}

fn number(at: Position, digits: &str, complaints: &mut Vec<Complaint>) -> Option<String> {
    normal_number(digits).or_else(|| complain(at, NO_NUMBER, complaints))
}

fn bytes(at: Position, text: &str, complaints: &mut Vec<Complaint>) -> Option<Vec<u8>> {
    base64::decode(text).ok().or_else(|| complain(at, "this is no base64", complaints))
}

fn text(node: Node, complaints: &mut Vec<Complaint>) -> Option<String> {
    match node.value {
        Value::Text(text) => Some(text),
        value => complain(node.at, &format!("a text is expected here, and not {}", value.kind()), complaints),
    }
}

fn set_number(node: Node, complaints: &mut Vec<Complaint>) -> Option<String> {
    let at = node.at;
    match attribute_of(node, complaints)? {
        Attribute::Number(digits) => Some(digits),
        _ => complain(at, "a number is expected here", complaints),
    }
}

/// A set has at least one element (DynamoDB Developer Guide, "data types"), and none twice.
fn set<T: Ord>(
    at: Position,
    nodes: Vec<Node>,
    complaints: &mut Vec<Complaint>,
    read: impl Fn(Node, &mut Vec<Complaint>) -> Option<T>,
) -> Option<BTreeSet<T>> {
    if nodes.is_empty() {
        return complain(at, "DynamoDB has no empty sets: leave the attribute out", complaints);
    }
    let mut is_whole = true;
    let mut elements = BTreeSet::new();
    for node in nodes {
        let at = node.at;
        let Some(element) = read(node, complaints) else {
            is_whole = false;
            continue;
        };
        if !elements.insert(element) {
            is_whole = false;
            complaints.push(Complaint::new(at, "this is in the set already"));
        }
    }
    is_whole.then_some(elements)
}
