//! What a runner is told of the job it gets.

use mayfly_core::ids::JobId;
use serde_json::{Value, json};

use super::model::{Job, Pipeline, Project, Runner};
use super::state::State;

/// The reasons a runner may give for a failure; it translates others to `unknown_failure`.
const FAILURE_REASONS: [&str; 6] = [
    "unknown_failure",
    "script_failure",
    "runner_system_failure",
    "job_execution_timeout",
    "runner_interrupted",
    "job_canceled",
];

/// The body of the 201; `None` if the job's runner, project or pipeline is gone.
pub(super) fn payload(state: &State, id: JobId) -> Option<Value> {
    let job = state.jobs.get(&id)?;
    let project = state.projects.get(&job.project)?;
    let pipeline = state.pipelines.get(&job.pipeline)?;
    let runner = state.runners.get(&job.taken_by.as_ref()?.runner)?;
    let timeout = job.spec.timeout.as_secs().min(runner.maximum_timeout.unwrap_or(u64::MAX));
    Some(json!({
        "id": id,
        "token": job.token,
        "allow_git_fetch": true,
        "job_info": {
            "name": job.spec.name,
            "stage": "test",
            "project_id": project.id,
            "project_name": project.name(),
            "project_full_name": project.path,
        },
        "git_info": {
            "repo_url": format!("{}/{}.git", state.url, project.path),
            "ref": job.spec.git_ref,
            "sha": pipeline.sha,
            "before_sha": "0000000000000000000000000000000000000000",
            "ref_type": "branch",
            "refspecs": [],
            "depth": 20,
        },
        "runner_info": { "timeout": timeout },
        "variables": variables(job, project, pipeline, runner, &state.url),
        "steps": [{
            "name": "script",
            "script": job.spec.script,
            "timeout": timeout,
            "when": "on_success",
            "allow_failure": false,
        }],
        "image": null,
        "services": [],
        "artifacts": [],
        "cache": [],
        "credentials": [],
        "dependencies": [],
        "features": { "trace_sections": true, "failure_reasons": FAILURE_REASONS },
    }))
}

/// Predefined variables first, then the job's own: the later one wins.
fn variables(job: &Job, project: &Project, pipeline: &Pipeline, runner: &Runner, url: &str) -> Vec<Value> {
    let host = url.rsplit('/').next().unwrap_or_default();
    let tags: Vec<&str> = runner.tags.iter().collect();
    let predefined: [(&str, String); 25] = [
        ("CI", "true".to_owned()),
        ("GITLAB_CI", "true".to_owned()),
        ("CI_API_V4_URL", format!("{url}/api/v4")),
        ("CI_COMMIT_BRANCH", job.spec.git_ref.clone()),
        ("CI_COMMIT_REF_NAME", job.spec.git_ref.clone()),
        ("CI_COMMIT_SHA", pipeline.sha.clone()),
        ("CI_JOB_ID", job.id.to_string()),
        ("CI_JOB_NAME", job.spec.name.clone()),
        ("CI_JOB_STAGE", "test".to_owned()),
        ("CI_JOB_TOKEN", job.token.clone()),
        ("CI_JOB_URL", format!("{url}/{}/-/jobs/{}", project.path, job.id)),
        ("CI_PIPELINE_ID", pipeline.id.to_string()),
        ("CI_PIPELINE_IID", pipeline.iid.to_string()),
        ("CI_PROJECT_ID", project.id.to_string()),
        ("CI_PROJECT_NAME", project.name().to_owned()),
        ("CI_PROJECT_NAMESPACE", project.namespace().to_owned()),
        ("CI_PROJECT_PATH", project.path.clone()),
        ("CI_PROJECT_URL", format!("{url}/{}", project.path)),
        ("CI_RUNNER_DESCRIPTION", runner.description.clone().unwrap_or_default()),
        ("CI_RUNNER_ID", runner.id.to_string()),
        ("CI_RUNNER_TAGS", json!(tags).to_string()),
        ("CI_SERVER_HOST", host.to_owned()),
        ("CI_SERVER_URL", url.to_owned()),
        ("CI_SERVER_VERSION", "19.3.0-ee".to_owned()),
        // There is no repository behind the stand-in.
        ("GIT_STRATEGY", "none".to_owned()),
    ];
    let own = job.spec.variables.iter().map(|(key, value)| (key.as_str(), value.clone()));
    predefined
        .into_iter()
        .chain(own)
        .map(|(key, value)| {
            let is_masked = key == "CI_JOB_TOKEN";
            json!({ "key": key, "value": value, "public": !is_masked, "masked": is_masked, "file": false, "raw": false })
        })
        .collect()
}
