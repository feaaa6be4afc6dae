//! Has GitLab retry a job whose machine died under it.

use mayfly_core::decide::{decide_retried, decide_retry, retry_record};
use mayfly_core::error::PortError;
use mayfly_core::ids::{JobId, JobKey};
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::ports::Written;

use super::act::write_record;
use crate::dispatcher::Dispatcher;
use crate::start::MAX_CONFLICTS;

/// Ends the job, which GitLab would believe to run for an hour, and has it retried. That it is owed is written down first;
/// GitLab itself retries no job twice.
pub(super) async fn retry(dispatcher: &Dispatcher, key: &JobKey) -> Result<String, PortError> {
    write_record(dispatcher, key, decide_retry).await?;
    dispatcher.gitlab.cancel_job(key.project, key.job).await?;
    let retried = match dispatcher.gitlab.retry_job(key.project, key.job).await {
        Ok(retried) => retried,
        Err(refused) if !refused.is_transient() => {
            settle(dispatcher, key, None).await?;
            return Err(refused);
        }
        Err(failed) => return Err(failed),
    };
    if let (Some(new), Some(record)) = (retried, dispatcher.ledger.get(key, dispatcher.clock.now()).await?) {
        count(dispatcher, &record, new).await?;
    }
    settle(dispatcher, key, retried).await?;
    Ok(match retried {
        Some(new) => format!("retried as job {new}"),
        None => "GitLab does not let it be retried".to_owned(),
    })
}

async fn settle(dispatcher: &Dispatcher, key: &JobKey, retried: Option<JobId>) -> Result<(), PortError> {
    write_record(dispatcher, key, |record, now| decide_retried(record, retried, now)).await?;
    Ok(())
}

/// Writes down for the new job how many were given up before it, whether or not its event was faster.
async fn count(dispatcher: &Dispatcher, retried: &LedgerRecord, new: JobId) -> Result<(), PortError> {
    let key = JobKey { job: new, ..retried.key.clone() };
    for _ in 0..MAX_CONFLICTS {
        let now = dispatcher.clock.now();
        let known = dispatcher.ledger.get(&key, now).await?;
        let Some(record) = retry_record(retried, new, known.as_ref(), now) else { return Ok(()) };
        if dispatcher.ledger.put(&record, now).await? == Written::Yes {
            return Ok(());
        }
    }
    Err(PortError::later(format!("retry of job {}", retried.key), "the record changed again and again"))
}
