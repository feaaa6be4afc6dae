//! What SARIF 2.1.0 asks of a log, as far as a log of ours has it (OASIS standard, sections 3.13 to 3.52).

use serde_json::{Value, json};

/// Checks a log against the standard's schema: required properties, types, and the words of enumerations.
pub(crate) fn check(log: &Value) {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> =
        validator.iter_errors(log).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{problems:#?}\n{log:#}");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"], "an index names its rule");
    }
}

fn schema() -> Value {
    let message = json!({
        "type": "object", "additionalProperties": false, "required": ["text"],
        "properties": { "text": { "type": "string", "minLength": 1 } },
    });
    let level = json!({ "enum": ["none", "note", "warning", "error"] });
    let rule = json!({
        "type": "object", "additionalProperties": false, "required": ["id"],
        "properties": {
            "id": { "type": "string", "minLength": 1 },
            "shortDescription": message, "fullDescription": message, "help": message,
            "defaultConfiguration": {
                "type": "object", "additionalProperties": false, "properties": { "level": level },
            },
        },
    });
    let driver = json!({
        "type": "object", "additionalProperties": false, "required": ["name"],
        "properties": {
            "name": { "type": "string" },
            "semanticVersion": { "type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+" },
            "rules": { "type": "array", "uniqueItems": true, "items": rule },
        },
    });
    let run = json!({
        "type": "object", "additionalProperties": false, "required": ["tool", "results"],
        "properties": {
            "tool": {
                "type": "object", "additionalProperties": false, "required": ["driver"],
                "properties": { "driver": driver },
            },
            "columnKind": { "enum": ["utf16CodeUnits", "unicodeCodePoints"] },
            "results": { "type": "array", "items": result(&message, &level) },
        },
    });
    json!({
        "type": "object", "additionalProperties": false, "required": ["version", "runs"],
        "properties": {
            "$schema": { "type": "string", "format": "uri" },
            "version": { "const": "2.1.0" },
            "runs": { "type": "array", "minItems": 1, "items": run },
        },
    })
}

fn result(message: &Value, level: &Value) -> Value {
    let logical = json!({
        "type": "object", "additionalProperties": false,
        "properties": { "fullyQualifiedName": { "type": "string", "minLength": 1 }, "kind": { "type": "string" } },
    });
    let physical = json!({
        "type": "object", "additionalProperties": false, "required": ["artifactLocation"],
        "properties": {
            "artifactLocation": {
                "type": "object", "additionalProperties": false,
                "properties": { "uri": { "type": "string", "format": "uri-reference" } },
            },
            "region": {
                "type": "object", "additionalProperties": false,
                "properties": { "startLine": { "type": "integer", "minimum": 1 } },
            },
        },
    });
    let location = json!({
        "type": "object", "additionalProperties": false, "minProperties": 1,
        "properties": {
            "logicalLocations": { "type": "array", "minItems": 1, "uniqueItems": true, "items": logical },
            "physicalLocation": physical,
        },
    });
    json!({
        "type": "object", "additionalProperties": false, "required": ["message", "ruleId"],
        "properties": {
            "ruleId": { "type": "string", "minLength": 1 },
            "ruleIndex": { "type": "integer", "minimum": 0 },
            "level": level,
            "message": message,
            "locations": { "type": "array", "minItems": 1, "items": location },
        },
    })
}
