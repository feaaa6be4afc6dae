//! Check `layers`: the direction of dependencies.

mod rules;

use std::collections::BTreeSet;

use anyhow::Result;
use cargo_metadata::camino::Utf8Path;
use cargo_metadata::{DependencyKind, Metadata, Package};

use self::rules::{ONLY_USED_BY, RULES, Role, Rule};
use crate::process::{cargo, output_of};

/// What a member of the workspace depends on.
#[derive(Debug, Default)]
struct Member {
    name: String,
    /// Its own normal and build dependencies, optional ones too.
    uses: BTreeSet<String>,
    /// Its own dev-dependencies.
    tests_use: BTreeSet<String>,
    /// Everything a build of just this package needs, directly or not; gathered only where a rule asks for it.
    below: BTreeSet<String>,
}

/// Gathers the dependencies and judges them.
pub(super) fn problems(workspace: &Metadata) -> Result<Vec<String>> {
    let root = &workspace.workspace_root;
    let members: Vec<Member> = workspace
        .workspace_packages()
        .into_iter()
        .map(|package| gather(package, root))
        .collect::<Result<_>>()?;
    Ok(judge(&members))
}

fn gather(package: &Package, root: &Utf8Path) -> Result<Member> {
    let mut member = Member { name: package.name.to_string(), ..Member::default() };
    for dependency in &package.dependencies {
        let names = match dependency.kind {
            DependencyKind::Development => &mut member.tests_use,
            _ => &mut member.uses,
        };
        names.insert(dependency.name.clone());
    }
    if rule_of(&member.name).is_some_and(|rule| !rule.never_below.is_empty()) {
        member.below = gather_below(&member.name, root)?;
    }
    Ok(member)
}

/// Asks `cargo tree` and not `cargo metadata`: metadata unites the features of all members, so that a feature one
/// program switches on would show in the graph of every other.
fn gather_below(name: &str, root: &Utf8Path) -> Result<BTreeSet<String>> {
    let arguments = [
        "tree",
        "--locked",
        "--package",
        name,
        "--edges",
        "normal,build",
        "--all-features",
        "--target",
        "all",
    ];
    let tree = output_of(cargo(root, &arguments).args(["--prefix", "none", "--format", "{p}"]))?;
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|below| *below != name).map(ToOwned::to_owned).collect())
}

/// What breaks the rules.
fn judge(members: &[Member]) -> Vec<String> {
    members.iter().flat_map(judge_member).collect()
}

fn judge_member(member: &Member) -> Vec<String> {
    let name = &member.name;
    let Some(rule) = rule_of(name) else {
        return vec![format!("{name}: has no rule; add a rule to xtask/src/check/layers/rules.rs")];
    };
    let mut problems = Vec::new();
    for used in &member.uses {
        problems.extend(objection_to_use(rule, used).map(|objection| format!("{name}: {objection}")));
    }
    for used in member.tests_use.iter().filter(|used| role_of(used) == Some(Role::Program)) {
        problems
            .push(format!("{name}: its tests use {used}, which is a program; nothing depends on programs"));
    }
    for (dependency, users) in ONLY_USED_BY {
        let is_used = member.uses.contains(*dependency) || member.tests_use.contains(*dependency);
        if is_used && !users.contains(&name.as_str()) {
            problems.push(format!("{name}: uses {dependency}, which only {} may", users.join(", ")));
        }
    }
    for below in &member.below {
        if rule.never_below.iter().any(|pattern| matches(pattern, below)) {
            problems.push(format!("{name}: {below} is below it, directly or not, and must not be"));
        }
    }
    problems
}

/// Why a crate with this rule must not use that one; `None` if it may.
fn objection_to_use(rule: &Rule, used: &str) -> Option<String> {
    match role_of(used) {
        Some(Role::Program) => Some(format!("uses {used}, which is a program; nothing depends on programs")),
        _ if rule.uses.contains(&used) => None,
        Some(Role::StandIns) => Some(format!("uses {used} outside of tests; make it a dev-dependency")),
        Some(Role::Library) => {
            let allowed = if rule.uses.is_empty() { "none".to_owned() } else { rule.uses.join(", ") };
            Some(format!("uses {used}; of our crates it may use: {allowed}"))
        }
        None => None,
    }
}

fn rule_of(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

fn role_of(name: &str) -> Option<Role> {
    rule_of(name).map(|rule| rule.role)
}

/// A pattern is a name, or the beginning of one followed by `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn member(name: &str) -> Member {
        Member { name: name.to_owned(), ..Member::default() }
    }

    fn check(member: Member, expected: &[&str]) {
        assert_eq!(judge(&[member]), expected);
    }

    #[test]
    fn what_the_rules_allow_is_no_problem() {
        let below = set(&["mayfly-core", "serde", "tracing"]);
        let tests_use = set(&["mayfly-standins", "tokio"]);
        check(
            Member { uses: set(&["mayfly-core", "tracing"]), tests_use, below, ..member("mayfly-app") },
            &[],
        );
        check(Member { uses: set(&["mayfly-local", "mayfly-standins"]), ..member("mayfly-demo") }, &[]);
        check(Member { uses: set(&["aws-sdk-ec2"]), ..member("mayfly-aws") }, &[]);
    }

    #[test]
    fn the_core_uses_no_crate_of_ours() {
        let core = Member { uses: set(&["mayfly-app"]), ..member("mayfly-core") };
        check(core, &["mayfly-core: uses mayfly-app; of our crates it may use: none"]);
    }

    #[test]
    fn an_adapter_does_not_use_another() {
        let aws = Member { uses: set(&["mayfly-core", "mayfly-gitlab"]), ..member("mayfly-aws") };
        check(aws, &["mayfly-aws: uses mayfly-gitlab; of our crates it may use: mayfly-core"]);
    }

    #[test]
    fn an_input_output_crate_below_the_core_is_found_however_deep() {
        let core = Member { below: set(&["aws-smithy-types", "serde", "tokio"]), ..member("mayfly-core") };
        check(
            core,
            &[
                "mayfly-core: aws-smithy-types is below it, directly or not, and must not be",
                "mayfly-core: tokio is below it, directly or not, and must not be",
            ],
        );
    }

    #[test]
    fn the_ec2_client_is_used_by_few_and_is_not_in_the_demo() {
        let demo = Member {
            tests_use: set(&["aws-sdk-ec2"]),
            below: set(&["aws-sdk-dynamodb", "aws-sdk-ec2"]),
            ..member("mayfly-demo")
        };
        check(
            demo,
            &[
                "mayfly-demo: uses aws-sdk-ec2, which only mayfly-aws, mayfly-cli may",
                "mayfly-demo: aws-sdk-ec2 is below it, directly or not, and must not be",
            ],
        );
    }

    #[test]
    fn nothing_uses_a_program_not_even_its_tests() {
        let local =
            Member { uses: set(&["mayfly-cli"]), tests_use: set(&["mayfly-demo"]), ..member("mayfly-local") };
        check(
            local,
            &[
                "mayfly-local: uses mayfly-cli, which is a program; nothing depends on programs",
                "mayfly-local: its tests use mayfly-demo, which is a program; nothing depends on programs",
            ],
        );
    }

    #[test]
    fn the_stand_ins_are_for_tests_and_the_demo() {
        let cli = Member { uses: set(&["mayfly-standins"]), ..member("mayfly-cli") };
        check(cli, &["mayfly-cli: uses mayfly-standins outside of tests; make it a dev-dependency"]);
    }

    #[test]
    fn a_crate_without_a_rule_is_found() {
        check(
            member("mayfly-new"),
            &["mayfly-new: has no rule; add a rule to xtask/src/check/layers/rules.rs"],
        );
    }

    #[test]
    fn the_table_speaks_only_of_crates_it_has_a_rule_for_and_allows_no_program() {
        for rule in RULES {
            for used in rule.uses {
                assert!(role_of(used).is_some_and(|role| role != Role::Program), "{}: {used}", rule.name);
            }
        }
    }
}
