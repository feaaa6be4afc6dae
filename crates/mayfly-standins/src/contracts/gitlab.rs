//! What every GitLab must do.
#![expect(clippy::expect_used, reason = "a contract suite is a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use mayfly_core::event::EventRunner;
use mayfly_core::ids::{Installation, JobId, JobName, ProjectId, RunnerId};
use mayfly_core::ports::{Gitlab, JobView, LiveJob, NewRunner, OurRunner, RegisteredRunner, RunnerJob};
use mayfly_core::status::JobStatus;
use mayfly_core::tags::TagSet;

/// More than fit on a page.
const MANY: usize = 230;

/// A GitLab, and what happens in it that no dispatcher does.
#[async_trait]
pub trait GitlabUnderTest: Send + Sync {
    /// The port, with all rights.
    fn gitlab(&self) -> &dyn Gitlab;

    /// Makes a project in which these jobs wait, and tells their ids in the same order.
    async fn project(&self, jobs: &[(JobName, TagSet)]) -> (ProjectId, Vec<JobId>);

    /// Registers a runner for a project as others do: its description is none that we give.
    async fn runner_of_others(&self, project: ProjectId, tags: &TagSet) -> RegisteredRunner;

    /// The runner asks for a job once, and says that it runs the one it gets. `None` if it gets none, whatever the reason. It
    /// is a runner that can stop gracefully: a canceled job may go on until the runner has ended it.
    async fn take_job(&self, runner: &RegisteredRunner) -> Option<JobId>;

    /// The runner that has the job says that the job succeeded.
    async fn succeed(&self, job: JobId);
}

/// Asserts what [`Gitlab`] promises of jobs, and of runners that are created for one project.
///
/// # Panics
///
/// Where the GitLab does something else.
pub async fn gitlab(world: &dyn GitlabUnderTest) {
    what_is_not_there_is_none(world).await;
    a_job_is_told_from_its_wait_to_its_end(world).await;
    live_jobs_are_those_of_the_project_that_wait_or_run(world).await;
    all_live_jobs_are_told_however_many(world).await;
    the_jobs_of_a_runner_are_those_that_it_has(world).await;
    a_runner_takes_what_its_tags_cover_in_its_project(world).await;
    our_runners_are_told_until_they_are_deleted(world).await;
    a_paused_runner_gets_no_job_and_keeps_the_one_it_has(world).await;
    a_deleted_runner_gets_no_job_and_keeps_the_one_it_has(world).await;
    a_job_is_canceled_at_once_wherever_it_stands(world).await;
    a_job_that_is_over_is_retried_once(world).await;
}

async fn what_is_not_there_is_none(world: &dyn GitlabUnderTest) {
    let (project, _) = world.project(&[]).await;
    let (_, jobs_of_another) = world.project(&[job("elsewhere", &[])]).await;
    let (no_project, no_job) = (ProjectId(404_404_404), JobId(404_404_404));
    for (project, job) in [(project, no_job), (no_project, jobs_of_another[0]), (project, jobs_of_another[0])]
    {
        let told = world.gitlab().job(project, job).await.expect("an answer");
        assert_eq!(told, None, "job {job} of project {project}");
    }
    let told = world.gitlab().live_jobs(no_project).await.expect("an answer");
    assert_eq!(told, None, "a project that is not there");
    let told = world.gitlab().live_jobs(project).await.expect("an answer");
    assert_eq!(told, Some(Vec::new()), "a project without jobs");
    assert_eq!(jobs_on(world, RunnerId(404_404_404)).await, [], "a runner that is not there");
}

async fn a_job_is_told_from_its_wait_to_its_end(world: &dyn GitlabUnderTest) {
    let tags = &["linux", "a#b", "with spaces"];
    let (project, jobs) = world.project(&[job("build: [linux, 1.0]", tags)]).await;
    let expect = async |status: JobStatus, runner: Option<&EventRunner>| {
        let view = view(world, project, jobs[0]).await;
        assert_eq!(view.status, Some(status));
        assert_eq!(view.status_word, status.as_str());
        assert_eq!(view.tags, set(tags));
        assert_eq!(view.runner.as_ref(), runner, "{status}");
    };
    expect(JobStatus::Pending, None).await;
    let runner = create(world, project, "mayfly-local-one", tags).await;
    expect(JobStatus::Pending, None).await;
    assert_eq!(world.take_job(&runner).await, Some(jobs[0]));
    let named = EventRunner { id: runner.id, description: Some("mayfly-local-one".to_owned()) };
    expect(JobStatus::Running, Some(&named)).await;
    world.succeed(jobs[0]).await;
    expect(JobStatus::Success, Some(&named)).await;
}

async fn live_jobs_are_those_of_the_project_that_wait_or_run(world: &dyn GitlabUnderTest) {
    let specs = ["over", "ours", "others", "waits", "canceled"].map(|name| job(name, &[name]));
    let (project, jobs) = world.project(&specs).await;
    world.project(&[job("elsewhere", &[])]).await;
    let ours = create(world, project, "mayfly-ec2-i-0live", &["over", "ours"]).await;
    assert_eq!(world.take_job(&ours).await, Some(jobs[0]));
    world.succeed(jobs[0]).await;
    assert_eq!(world.take_job(&ours).await, Some(jobs[1]));
    let others = world.runner_of_others(project, &set(&["others"])).await;
    assert_eq!(world.take_job(&others).await, Some(jobs[2]));
    world.gitlab().cancel_job(project, jobs[4]).await.expect("it is canceled");

    let live = live(world, project).await;
    let ids: Vec<JobId> = live.keys().copied().collect();
    assert_eq!(ids, jobs[1..4]);
    for (index, job) in jobs.iter().enumerate().take(4).skip(1) {
        let (name, tags) = &specs[index];
        assert_eq!((&live[job].name, &live[job].tags), (name, tags));
        let status = if index == 3 { JobStatus::Pending } else { JobStatus::Running };
        assert_eq!(live[job].status, status, "{name}");
    }
    let named = EventRunner { id: ours.id, description: Some("mayfly-ec2-i-0live".to_owned()) };
    assert_eq!(live[&jobs[1]].runner, Some(named));
    assert_eq!(live[&jobs[2]].runner.as_ref().map(|runner| runner.id), Some(others.id));
    assert_eq!(live[&jobs[3]].runner, None);
}

async fn all_live_jobs_are_told_however_many(world: &dyn GitlabUnderTest) {
    let specs: Vec<_> = (0..MANY).map(|number| job(&format!("job {number}"), &["linux"])).collect();
    let (project, jobs) = world.project(&specs).await;
    let told = world.gitlab().live_jobs(project).await.expect("an answer").expect("the project is there");
    assert_eq!(told.len(), MANY, "each is told once");
    let told: BTreeSet<JobId> = told.into_iter().map(|job| job.id).collect();
    assert_eq!(told, jobs.into_iter().collect());
}

async fn the_jobs_of_a_runner_are_those_that_it_has(world: &dyn GitlabUnderTest) {
    let (project, jobs) = world.project(&[job("over", &["ours"]), job("runs", &["ours"])]).await;
    world.project(&[job("elsewhere", &["ours"])]).await;
    let runner = create(world, project, "mayfly-local-looked-at", &["ours"]).await;
    let other = create(world, project, "mayfly-local-not-looked-at", &["ours"]).await;
    assert_eq!(jobs_on(world, runner.id).await, [], "it has had none");
    for job in jobs {
        assert_eq!(world.take_job(&runner).await, Some(job));
        assert_eq!(jobs_on(world, runner.id).await, [RunnerJob { project, job }]);
        assert_eq!(jobs_on(world, other.id).await, [], "it is another's");
        world.succeed(job).await;
        assert_eq!(jobs_on(world, runner.id).await, [], "it is over");
    }
}

async fn a_runner_takes_what_its_tags_cover_in_its_project(world: &dyn GitlabUnderTest) {
    for (runner, job_tags, is_taken) in [
        (&["linux", "docker"][..], &["linux"][..], true),
        (&["linux", "docker"], &["linux", "docker"], true),
        (&["linux"], &["linux", "docker"], false),
        (&["linux"], &[], false),
        (&[], &[], true),
        (&[], &["linux"], false),
    ] {
        let (project, jobs) = world.project(&[job("build", job_tags)]).await;
        let (elsewhere, _) = world.project(&[]).await;
        let stranger = create(world, elsewhere, "mayfly-local-stranger", runner).await;
        assert_eq!(world.take_job(&stranger).await, None, "it is for another project");
        let created = create(world, project, "mayfly-local-tagged", runner).await;
        let taken = world.take_job(&created).await;
        assert_eq!(taken, is_taken.then_some(jobs[0]), "runner {runner:?}, job {job_tags:?}");
        assert_eq!(world.take_job(&created).await, None, "there is no other job");
    }
}

async fn our_runners_are_told_until_they_are_deleted(world: &dyn GitlabUnderTest) {
    let (project, _) = world.project(&[]).await;
    let mut created = BTreeMap::new();
    for number in 0..MANY {
        let name = format!("mayfly-ec2-i-0ours{number}");
        let id = create(world, project, &name, &["linux"]).await.id;
        assert_eq!(created.insert(id, name), None, "an id is given once");
    }
    let of_others = world.runner_of_others(project, &set(&["linux"])).await.id;
    let found = ours(world).await;
    for (id, name) in &created {
        assert_eq!(found.get(id), Some(name));
    }
    for (id, maker) in [(*created.keys().next().expect("one"), Some("test")), (of_others, None)] {
        let told = world.gitlab().installation_of(id).await.expect("an answer");
        assert_eq!(told.as_ref().map(Installation::as_str), maker);
    }
    assert_eq!(found.get(&of_others), None, "it is not ours");

    let (gone, _) = created.pop_first().expect("there are many");
    world.gitlab().delete_runner(gone).await.expect("it is deleted");
    let found = ours(world).await;
    assert_eq!(found.get(&gone), None, "it is gone");
    assert_eq!(world.gitlab().installation_of(gone).await.expect("an answer"), None);
    assert!(created.keys().all(|id| found.contains_key(id)), "the others are there");
    for id in created.keys() {
        world.gitlab().delete_runner(*id).await.expect("it is deleted");
    }
}

async fn a_paused_runner_gets_no_job_and_keeps_the_one_it_has(world: &dyn GitlabUnderTest) {
    let (project, jobs) = world.project(&[job("first", &[]), job("second", &[])]).await;
    let runner = create(world, project, "mayfly-local-paused", &[]).await;
    let taken = world.take_job(&runner).await.expect("it gets a job");
    let other = jobs.into_iter().find(|job| *job != taken).expect("there are two");
    for _ in 0..2 {
        world.gitlab().pause_runner(runner.id).await.expect("it is paused");
    }
    assert_eq!(view(world, project, taken).await.status, Some(JobStatus::Running));
    assert_eq!(world.take_job(&runner).await, None, "it is paused");
    world.succeed(taken).await;
    assert_eq!(world.take_job(&runner).await, None, "it is still paused");
    assert_eq!(view(world, project, taken).await.status, Some(JobStatus::Success));
    assert_eq!(view(world, project, other).await.status, Some(JobStatus::Pending));
    assert!(ours(world).await.contains_key(&runner.id), "a paused runner is told");

    world.gitlab().delete_runner(runner.id).await.expect("it is deleted");
    world.gitlab().pause_runner(runner.id).await.expect("one that is gone is paused");
}

async fn a_deleted_runner_gets_no_job_and_keeps_the_one_it_has(world: &dyn GitlabUnderTest) {
    let (project, jobs) = world.project(&[job("first", &[]), job("second", &[])]).await;
    let runner = create(world, project, "mayfly-local-deleted", &[]).await;
    let taken = world.take_job(&runner).await.expect("it gets a job");
    for _ in 0..2 {
        world.gitlab().delete_runner(runner.id).await.expect("it is deleted");
    }
    assert_eq!(view(world, project, taken).await.status, Some(JobStatus::Running));
    assert_eq!(world.take_job(&runner).await, None, "it is gone");
    world.succeed(taken).await;
    assert_eq!(view(world, project, taken).await.status, Some(JobStatus::Success));
    assert_eq!(live(world, project).await.len(), jobs.len() - 1);
}

async fn a_job_is_canceled_at_once_wherever_it_stands(world: &dyn GitlabUnderTest) {
    let names = ["over", "runs", "waits"];
    let (project, jobs) = world.project(&names.map(|name| job(name, &[name]))).await;
    let runner = create(world, project, "mayfly-local-canceled", &names).await;
    assert_eq!(world.take_job(&runner).await, Some(jobs[0]));
    world.succeed(jobs[0]).await;
    assert_eq!(world.take_job(&runner).await, Some(jobs[1]));
    for _ in 0..2 {
        for job in &jobs {
            world.gitlab().cancel_job(project, *job).await.expect("it is over");
        }
        let mut statuses = Vec::new();
        for job in &jobs {
            statuses.push(view(world, project, *job).await.status);
        }
        let expected = [JobStatus::Success, JobStatus::Canceled, JobStatus::Canceled].map(Some);
        assert_eq!(statuses, expected, "one that was over stays what it was");
    }
    assert_eq!(view(world, project, jobs[1]).await.runner.map(|runner| runner.id), Some(runner.id));
    assert_eq!(view(world, project, jobs[2]).await.runner, None, "no runner had it");
    assert_eq!(live(world, project).await.len(), 0);
    assert_eq!(world.take_job(&runner).await, None, "a canceled job is given to nobody");
}

async fn a_job_that_is_over_is_retried_once(world: &dyn GitlabUnderTest) {
    let retry = async |project: ProjectId, job: JobId| {
        world.gitlab().retry_job(project, job).await.expect("an answer")
    };
    let tags = &["linux", "own tag"];
    let (project, jobs) = world.project(&[job("build", tags)]).await;
    let runner = create(world, project, "mayfly-local-retried", tags).await;
    assert_eq!(retry(project, jobs[0]).await, None, "it waits");
    assert_eq!(world.take_job(&runner).await, Some(jobs[0]));
    assert_eq!(retry(project, jobs[0]).await, None, "it runs");
    world.gitlab().cancel_job(project, jobs[0]).await.expect("it is canceled");

    let second = retry(project, jobs[0]).await.expect("a job that is over can be retried");
    assert_ne!(second, jobs[0], "it is a new job");
    assert_eq!(retry(project, jobs[0]).await, None, "it was retried before");
    let live = live(world, project).await;
    assert_eq!(live.keys().copied().collect::<Vec<_>>(), [second], "exactly one was made");
    assert_eq!((live[&second].name.as_str(), live[&second].status), ("build", JobStatus::Pending));
    assert_eq!(live[&second].tags, set(tags));
    assert_eq!(view(world, project, jobs[0]).await.status, Some(JobStatus::Canceled), "it stays what it was");

    assert_eq!(world.take_job(&runner).await, Some(second));
    world.succeed(second).await;
    let third = retry(project, second).await.expect("the new job can be retried, too");
    assert_eq!(view(world, project, third).await.status, Some(JobStatus::Pending));
}

fn job(name: &str, tags: &[&str]) -> (JobName, TagSet) {
    (name.parse().expect("a job name"), set(tags))
}

fn set(tags: &[&str]) -> TagSet {
    tags.iter().copied().collect()
}

async fn create(
    world: &dyn GitlabUnderTest,
    project: ProjectId,
    name: &str,
    tags: &[&str],
) -> RegisteredRunner {
    let runner = NewRunner {
        installation: "test".parse().expect("an installation"),
        name: name.parse().expect("a runner name"),
        project,
        tags: set(tags),
        maximum_timeout: Duration::from_hours(1),
    };
    world.gitlab().create_runner(&runner).await.expect("the runner is created")
}

async fn view(world: &dyn GitlabUnderTest, project: ProjectId, job: JobId) -> JobView {
    world.gitlab().job(project, job).await.expect("an answer").expect("the job is there")
}

async fn live(world: &dyn GitlabUnderTest, project: ProjectId) -> BTreeMap<JobId, LiveJob> {
    let jobs = world.gitlab().live_jobs(project).await.expect("an answer").expect("the project is there");
    jobs.into_iter().map(|job| (job.id, job)).collect()
}

async fn jobs_on(world: &dyn GitlabUnderTest, runner: RunnerId) -> Vec<RunnerJob> {
    world.gitlab().jobs_on_runner(runner).await.expect("an answer")
}

async fn ours(world: &dyn GitlabUnderTest) -> BTreeMap<RunnerId, String> {
    let runners = world.gitlab().our_runners().await.expect("an answer");
    let count = runners.len();
    let named = |OurRunner { id, name }: OurRunner| (id, name.to_string());
    let by_id: BTreeMap<_, _> = runners.into_iter().map(named).collect();
    assert_eq!(by_id.len(), count, "each is told once");
    by_id
}
