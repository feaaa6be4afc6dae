//! Findings as SARIF 2.1.0 (OASIS standard, "Static Analysis Results Interchange Format").

use std::path::{Component, Path};

use mayfly_core::lint::LintRule;
use serde_json::{Value, json};
use url::Url;

use super::report::{FindingView, LintReport};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A log of one run.
pub(super) fn log(report: &LintReport) -> Value {
    let rules: Vec<Value> = LintRule::ALL.iter().copied().map(rule).collect();
    let results: Vec<Value> = report.findings.iter().map(result).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mayfly",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(rule: LintRule) -> Value {
    json!({
        "id": rule.id(),
        "shortDescription": { "text": rule.short() },
        "fullDescription": { "text": rule.help() },
        "help": { "text": format!("{} {}", rule.short(), rule.help()) },
        "defaultConfiguration": { "level": rule.severity().as_str() },
    })
}

fn result(finding: &FindingView) -> Value {
    let mut location = json!({ "logicalLocations": [logical(finding)] });
    if let (Some(file), Some(line)) = (&finding.file, finding.line) {
        location["physicalLocation"] = json!({
            "artifactLocation": { "uri": uri(file) },
            "region": { "startLine": line.max(1) },
        });
        if finding.job.is_none()
            && let Some(location) = location.as_object_mut()
        {
            location.remove("logicalLocations");
        }
    }
    let rule_index = LintRule::ALL.iter().position(|rule| *rule == finding.of);
    json!({
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": finding.severity,
        "message": { "text": format!("{}. To do: {}.", finding.message, finding.advice) },
        "locations": [location],
    })
}

/// A row of the table is in no file.
fn logical(finding: &FindingView) -> Value {
    match (&finding.row, &finding.job, finding.setting) {
        (Some(row), _, _) => json!({ "fullyQualifiedName": row, "kind": "row" }),
        (None, Some(job), _) => json!({ "fullyQualifiedName": job, "kind": "job" }),
        (None, None, setting) => {
            json!({ "fullyQualifiedName": setting.unwrap_or_default(), "kind": "parameter" })
        }
    }
}

/// A relative reference (RFC 3986) with slashes, or the address of a file.
fn uri(file: &str) -> String {
    let is_elsewhere = Path::new(file).components().any(|part| part == Component::ParentDir);
    let whole = if is_elsewhere { std::path::absolute(file).ok() } else { None };
    // Read again, so that what leads up and down again is gone.
    if let Some(url) = Url::from_file_path(whole.as_deref().unwrap_or(Path::new(file)))
        .ok()
        .and_then(|url| Url::parse(url.as_str()).ok())
    {
        return url.into();
    }
    let Ok(mut url) = Url::parse("file:///") else { return file.to_owned() };
    url.set_path(file);
    url.path().trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mappings::lint::report::sample;

    #[test]
    fn paths_are_addresses() {
        for (path, expected) in [
            (".gitlab-ci.yml", ".gitlab-ci.yml"),
            ("my app/ci.yml", "my%20app/ci.yml"),
            ("./ci/a.yml", "ci/a.yml"),
            ("/work/app/../ci.yml", "file:///work/ci.yml"),
            ("/work/app/ci.yml", "file:///work/app/ci.yml"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }

    #[test]
    fn results_have_what_the_standard_asks_for() {
        let log = log(&sample());
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
        assert_eq!(
            results[0]["locations"],
            json!([{ "logicalLocations": [{ "fullyQualifiedName": "job#a tags#y#x", "kind": "row" }] }])
        );
        assert_eq!(
            results[3]["locations"],
            json!([{
                "logicalLocations": [{ "fullyQualifiedName": "build", "kind": "job" }],
                "physicalLocation": {
                    "artifactLocation": { "uri": "ci/.gitlab-ci.yml" },
                    "region": { "startLine": 3 },
                },
            }])
        );
        assert_eq!(results[4]["locations"][0]["logicalLocations"], Value::Null);
        assert_eq!((&results[3]["level"], &results[4]["level"]), (&json!("warning"), &json!("note")));
    }
}
