//! The manners of a member's Cargo.toml: it inherits from the workspace.

use toml::{Table, Value};

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// What breaks the rules in the text of a manifest.
pub(super) fn problems(manifest: &str) -> Vec<String> {
    let manifest: Table = match manifest.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("Cargo.toml: cannot be read: {error}")],
    };
    let mut problems = Vec::new();
    if !manifest.get("lints").is_some_and(inherits) {
        problems.push("Cargo.toml: [lints] is not `workspace = true`".to_owned());
    }
    let per_platform = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    for table in std::iter::once(&manifest).chain(per_platform.filter_map(Value::as_table)) {
        for section in SECTIONS {
            let dependencies = table.get(section).and_then(Value::as_table).into_iter().flatten();
            for (name, _) in dependencies.filter(|(_, value)| !inherits(value)) {
                problems.push(format!("Cargo.toml: {name} in [{section}] is not `workspace = true`"));
            }
        }
    }
    problems
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INHERITING: &str = r#"
        [lints]
        workspace = true
        [dependencies]
        serde.workspace = true
        tokio = { workspace = true, features = ["rt"] }
    "#;

    fn check(manifest: &str, expected: &[&str]) {
        assert_eq!(problems(manifest), expected);
    }

    #[test]
    fn a_manifest_that_inherits_has_no_problem() {
        check(INHERITING, &[]);
    }

    #[test]
    fn a_manifest_without_the_workspace_lints_is_found() {
        check("[package]\nname = \"a\"", &["Cargo.toml: [lints] is not `workspace = true`"]);
        check("[lints.rust]\nunused = \"warn\"", &["Cargo.toml: [lints] is not `workspace = true`"]);
    }

    #[test]
    fn a_dependency_with_a_version_of_its_own_is_found_in_every_section() {
        let manifest = format!(
            "{INHERITING}
            url = \"2\"
            [dev-dependencies]
            insta = {{ version = \"1\" }}
            [build-dependencies]
            cc = {{ workspace = false }}
            [target.'cfg(unix)'.dependencies]
            nix = \"0.31\"
            "
        );
        check(
            &manifest,
            &[
                "Cargo.toml: url in [dependencies] is not `workspace = true`",
                "Cargo.toml: insta in [dev-dependencies] is not `workspace = true`",
                "Cargo.toml: cc in [build-dependencies] is not `workspace = true`",
                "Cargo.toml: nix in [dependencies] is not `workspace = true`",
            ],
        );
    }

    #[test]
    fn a_manifest_nobody_can_read_is_a_problem() {
        let problems = problems("[lints");
        assert!(problems[0].starts_with("Cargo.toml: cannot be read: "), "{problems:?}");
    }
}
