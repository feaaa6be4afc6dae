//! Nothing of one job is there for the next.

use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use mayfly_core::mapping::RunnerSettings;
use mayfly_standins::gitlab::Status;
use mayfly_standins::lambda_runtime::{Answer, Environment};

use crate::trial;
use crate::world::{PATIENCE, World, invoke};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_second_job_in_an_environment_finds_nothing_of_the_first", nothing_is_left()),
        trial("what_an_earlier_process_left_is_removed_before_a_job", left_by_an_earlier_process()),
        trial("an_environment_that_cannot_be_cleaned_runs_no_job_and_ends", an_unclean_environment()),
    ]
}

/// Leaves files, links, a tree that nobody may write to, a pipe, a home, and a process without any of its variables.
const LEAVES_A_MESS: &str = r#"
    cd "$TMPDIR/../.."
    echo left > file; echo left > "$HOME/.netrc"; ln -s /etc link; mkfifo pipe
    mkdir -p tree/a/b; echo left > tree/a/b/file; chmod -R a-w tree; chmod 000 tree/a/b
    (cd / && exec env -i setsid bash -c 'echo $$ > OBSERVED; exec sleep 1000' > /dev/null 2>&1 < /dev/null &)
    until [ -s OBSERVED ]; do :; done
"#;

/// Shows what is there of an earlier job, and nothing of its own.
const LOOKS: &str = r#"
    cd "$TMPDIR/../.."
    echo "there: $(ls -A | sed 's/^mayfly-shell$//; s/^mayfly-[0-9A-Za-z]\{12\}$//' | tr -d '\n')."
    echo "at home: $(ls -A "$HOME")."
    [ -e "/proc/$(cat OBSERVED)" ] && echo "the process: lives." || echo "the process: gone."
"#;

async fn nothing_is_left() {
    let world = World::new().await;
    let observed = world.path("process").display().to_string();
    let mut environment = world.start().await;

    let first = world.run(&mut environment, &LEAVES_A_MESS.replace("OBSERVED", &observed)).await;
    assert_eq!(first.status, Status::Success, "{}", first.log);
    let process = fs::read_to_string(&observed).unwrap();
    assert!(!Path::new("/proc").join(process.trim()).exists());
    world.assert_scratch_is_empty(&environment);

    let second = world.run(&mut environment, &LOOKS.replace("OBSERVED", &observed)).await;
    for line in ["\nthere: .\n", "\nat home: .\n", "\nthe process: gone.\n"] {
        assert!(second.log.contains(line), "{}", second.log);
    }
    world.assert_scratch_is_empty(&environment);
}

/// A process that died, in an environment that lives on, leaves what it left.
async fn left_by_an_earlier_process() {
    let world = World::new().await;
    let mut environment = world.start().await;
    let scratch = world.scratch(&environment);
    fs::create_dir_all(scratch.join("mayfly-0123456789ab/config")).unwrap();
    fs::write(scratch.join("mayfly-0123456789ab/config/config.toml"), "left").unwrap();
    let script = r#"ls -A "$TMPDIR/../.."; [ ! -e "$TMPDIR/../../mayfly-0123456789ab" ]"#;
    let job = world.run(&mut environment, script).await;
    assert_eq!(job.status, Status::Success, "{}", job.log);
}

/// Nothing can be removed in what is no folder any more.
fn spoil_scratch(world: &World, environment: &Environment) {
    let scratch = world.scratch(environment);
    fs::remove_dir(&scratch).unwrap();
    fs::write(&scratch, "").unwrap();
}

async fn an_unclean_environment() {
    let world = World::new().await;
    let mut environment = world.start().await;
    assert_eq!(world.run(&mut environment, "true").await.status, Status::Success);
    spoil_scratch(&world, &environment);
    let job = world.job("true");
    let invocation = invoke(&mut environment, &world.assignment(RunnerSettings::default())).await;
    let Answer::Error(error) = invocation.answer else { panic!("{invocation:?}") };
    assert_eq!(error.error_type, "NotClean");
    let scratch = world.scratch(&environment);
    for part in ["no job is run in it", &format!("{} cannot be removed", scratch.display())] {
        assert!(error.error_message.contains(part), "{error:?}");
    }
    let status = environment.ended(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(world.gitlab.job(job).unwrap().status, Status::Pending);
}
