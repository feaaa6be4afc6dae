//! Check `stacks`: what is linked into the functions. A second TLS or HTTP stack comes in with one careless feature, and shows only
//! in the size and the start of a function.

mod rules;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use cargo_metadata::Metadata;
use cargo_metadata::camino::Utf8Path;

use self::rules::{EXACTLY_ONE, FUNCTIONS, Function, IN_NO_FUNCTION};
use crate::process::{cargo, output_of};

/// Where functions run.
const TARGETS: [&str; 2] = ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"];

/// The packages that are linked into a program, each with its versions.
type Linked = BTreeMap<String, BTreeSet<String>>;

/// Gathers what is linked into each function of this workspace, and judges it.
pub(super) fn problems(workspace: &Metadata) -> Result<Vec<String>> {
    let members = workspace.workspace_packages();
    let mut problems = Vec::new();
    for function in
        FUNCTIONS.iter().filter(|function| members.iter().any(|member| member.name == function.name))
    {
        let linked = gather(function.name, &workspace.workspace_root)?;
        problems.extend(judge(function, &linked));
    }
    Ok(problems)
}

/// Asks `cargo tree` for one package with its default features, which is what `cargo lambda build` builds in the folder of that
/// package. `cargo metadata` unites the features of all members: it shows what another program switched on.
fn gather(name: &str, root: &Utf8Path) -> Result<Linked> {
    let mut linked = Linked::new();
    for target in TARGETS {
        let arguments = ["tree", "--locked", "--package", name, "--edges", "normal,no-proc-macro"];
        let form = ["--target", target, "--prefix", "none", "--format", "{p}"];
        for (package, version) in output_of(cargo(root, &arguments).args(form))?.lines().filter_map(read_line)
        {
            linked.entry(package).or_default().insert(version);
        }
    }
    Ok(linked)
}

/// From `rustls v0.23.46` or `mayfly-core v0.1.0 (/path)`, maybe with ` (*)` behind it.
fn read_line(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    Some((name, version))
}

/// What breaks the rules in one function.
fn judge(function: &Function, linked: &Linked) -> Vec<String> {
    let name = function.name;
    let mut problems = Vec::new();
    for (package, why) in IN_NO_FUNCTION.iter().chain(function.never) {
        if linked.contains_key(*package) {
            problems.push(format!(
                "{name}: {package} is linked into it: {why}; `cargo tree -p {name} -i {package}` says by whom"
            ));
        }
    }
    for package in EXACTLY_ONE {
        let versions: Vec<&str> = linked.get(*package).into_iter().flatten().map(String::as_str).collect();
        match versions[..] {
            [_] => {}
            [] => problems
                .push(format!("{name}: {package} is not linked into it, so something else took its place")),
            _ => problems.push(format!(
                "{name}: {package} is linked into it in {} versions: {}",
                versions.len(),
                versions.join(", ")
            )),
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str) -> &'static Function {
        FUNCTIONS.iter().find(|function| function.name == name).unwrap()
    }

    /// One of everything there must be, and these besides.
    fn check(name: &str, besides: &[(&str, &str)], expected: &[&str]) {
        let must = EXACTLY_ONE.iter().map(|package| (*package, "1.0.0"));
        let mut linked = Linked::new();
        for (package, version) in must.chain(besides.iter().copied()) {
            linked.entry(package.to_owned()).or_default().insert(version.to_owned());
        }
        assert_eq!(judge(function(name), &linked), expected);
    }

    #[test]
    fn lines_of_cargo_tree_are_read() {
        for (line, expected) in [
            ("rustls v0.23.46", Some(("rustls", "0.23.46"))),
            ("mayfly-core v0.1.0 (/work/crates/mayfly-core) (*)", Some(("mayfly-core", "0.1.0"))),
            ("", None),
            ("[build-dependencies]", None),
        ] {
            let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned()));
            assert_eq!(read_line(line), expected, "{line}");
        }
    }

    #[test]
    fn one_of_everything_is_no_problem() {
        check("mayfly-webhook", &[("aws-sdk-ssm", "1.133.0"), ("aws-sdk-eventbridge", "1.127.0")], &[]);
        check("mayfly-dispatcher", &[("aws-sdk-ec2", "1.0.0"), ("reqwest", "0.13.5")], &[]);
    }

    #[test]
    fn a_second_stack_is_found() {
        check(
            "mayfly-dispatcher",
            &[("hyper", "0.14.32"), ("rustls", "0.21.12")],
            &[
                "mayfly-dispatcher: hyper is linked into it in 2 versions: 0.14.32, 1.0.0",
                "mayfly-dispatcher: rustls is linked into it in 2 versions: 0.21.12, 1.0.0",
            ],
        );
    }

    #[test]
    fn what_is_not_linked_at_all_is_found() {
        let problems = judge(function("mayfly-webhook"), &Linked::new());
        assert_eq!(problems.len(), EXACTLY_ONE.len());
        assert_eq!(
            problems[0],
            "mayfly-webhook: http is not linked into it, so something else took its place"
        );
    }

    #[test]
    fn another_provider_of_cryptography_is_found_in_every_function() {
        for function in FUNCTIONS {
            let name = function.name;
            let expected = format!(
                "{name}: aws-lc-rs is linked into it: ring does the cryptography, and aws-lc's first random bytes take \
                 20 ms of CPU; `cargo tree -p {name} -i aws-lc-rs` says by whom"
            );
            check(name, &[("aws-lc-rs", "1.14.0")], &[&expected]);
        }
    }

    #[test]
    fn clients_are_only_where_they_are_needed() {
        for (name, package) in [
            ("mayfly-webhook", "reqwest"),
            ("mayfly-webhook", "aws-sdk-dynamodb"),
            ("mayfly-webhook", "aws-sdk-lambda"),
            ("mayfly-webhook", "aws-sdk-ec2"),
            ("mayfly-shell-runner", "aws-sdk-ec2"),
        ] {
            let linked = std::iter::once((package.to_owned(), BTreeSet::from(["1.0.0".to_owned()])));
            let problems = judge(function(name), &linked.collect());
            assert!(
                problems[0].starts_with(&format!("{name}: {package} is linked into it: ")),
                "{problems:?}"
            );
        }
    }
}
