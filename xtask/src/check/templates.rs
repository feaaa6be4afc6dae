//! Check `templates`: the templates of the stacks, with cfn-lint, checkov, and a look of our own at what roles may do.

mod rights;

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::Metadata;
use cargo_metadata::camino::Utf8Path;

use super::problems_of;
use crate::process::STACKS;
use crate::python::Venv;

/// Runs all three over the templates of all stacks.
pub(super) fn problems(workspace: &Metadata) -> Result<Vec<String>> {
    let root = &workspace.workspace_root;
    let templates = STACKS.map(|stack| format!("{stack}/template.yaml"));
    let mut problems = Vec::new();
    for template in &templates {
        problems.extend(rights_problems(root, template)?);
    }

    let venv = Venv::prepare(workspace, "lint")?;
    problems.extend(problems_of(lint(&venv, root, "cfn-lint").args(&templates))?);
    let mut checkov = lint(&venv, root, "checkov");
    checkov.args(["--framework", "cloudformation", "--compact", "--quiet", "--skip-download"]);
    for template in &templates {
        checkov.args(["--file", template.as_str()]);
    }
    problems.extend(problems_of(&mut checkov)?);
    Ok(problems)
}

fn rights_problems(root: &Utf8Path, template: &str) -> Result<Vec<String>> {
    let path = root.join(template);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let problems = rights::problems(&text);
    Ok(problems.into_iter().map(|problem| format!("{template}:{problem}")).collect())
}

fn lint(venv: &Venv, root: &Utf8Path, program: &str) -> Command {
    let mut command = Command::new(venv.program(program));
    command.current_dir(root);
    command
}
