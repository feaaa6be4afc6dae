//! What a runner says of the job it has: its state, its log, its artifacts. Authenticated by the job's own token, so that
//! a job goes on when its runner's registration is deleted.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mayfly_core::ids::JobId;
use serde_json::json;

use super::http::{Answer, Refusal, text};
use super::model::{Job, Status};
use super::params::Params;
use super::shared::Shared;
use super::state::State;

/// `PUT /jobs/:id`.
pub(super) async fn update(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let id = JobId(id);
    let token = text(&headers, "JOB-TOKEN").map(str::to_owned).or_else(|| params.text("token"));
    shared.change(|state| {
        authenticate(state, id, token.as_deref())?;
        let status = apply_update(state, id, &params)?;
        Ok(tell(state, id, status, None))
    })
}

/// `PATCH /jobs/:id/trace`: appends to the log. 416 tells where to go on.
pub(super) async fn append_log(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let id = JobId(id);
    let range = text(&headers, "Content-Range").and_then(parse_range);
    let range = range.ok_or_else(|| Refusal::bad_request("400 Missing header Content-Range"))?;
    shared.change(|state| {
        authenticate(state, id, text(&headers, "JOB-TOKEN"))?;
        let job = state.job_mut(id)?;
        let size = job.log.len();
        let status = match job.status {
            Status::Running | Status::Canceling if range == (size, body.len()) => {
                job.log.extend_from_slice(&body);
                StatusCode::ACCEPTED
            }
            Status::Running | Status::Canceling => StatusCode::RANGE_NOT_SATISFIABLE,
            _ => StatusCode::FORBIDDEN,
        };
        let range = format!("0-{}", job.log.len());
        Ok(tell(state, id, status, Some(range)))
    })
}

/// `POST /jobs/:id/artifacts`: keeps the part `file` of a form.
pub(super) async fn upload(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let content_type = text(&headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let file = file_in_form(content_type, &body).ok_or_else(|| Refusal::bad_request("file is missing"))?;
    shared.change(|state| {
        authenticate(state, JobId(id), text(&headers, "JOB-TOKEN"))?;
        state.job_mut(JobId(id))?.artifacts = Some(file.to_vec());
        Ok((StatusCode::CREATED, Json(json!({}))).into_response())
    })
}

/// `GET /jobs/:id/artifacts`, for the job itself and for those of its pipeline that depend on it.
pub(super) async fn download(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Answer {
    shared.read(|state| {
        let job = state.job(JobId(id))?;
        let token = text(&headers, "JOB-TOKEN");
        let is_known = |other: &Job| other.pipeline == job.pipeline && Some(other.token.as_str()) == token;
        if !state.jobs.values().any(is_known) {
            return Err(Refusal::forbidden());
        }
        let file = job.artifacts.clone().ok_or_else(|| Refusal::not_found(""))?;
        Ok(([(header::CONTENT_TYPE, "application/octet-stream")], file).into_response())
    })
}

fn authenticate(state: &State, id: JobId, token: Option<&str>) -> Result<(), Refusal> {
    let job = state.job(id)?;
    let is_taken = job.taken_by.is_some() || job.status.is_final();
    if is_taken && token == Some(job.token.as_str()) { Ok(()) } else { Err(Refusal::forbidden()) }
}

/// Moves the job to the state its runner tells, if that is possible from where it stands.
fn apply_update(state: &mut State, id: JobId, params: &Params) -> Result<StatusCode, Refusal> {
    let told = params.text("state").unwrap_or_default();
    let job = state.job_mut(id)?;
    match (job.status, told.as_str()) {
        (Status::Success | Status::Failed | Status::Canceled, _) => Ok(StatusCode::FORBIDDEN),
        (Status::Pending, "running") => {
            state.start(id);
            Ok(StatusCode::OK)
        }
        (_, "pending" | "") | (Status::Running | Status::Canceling, "running") => Ok(StatusCode::OK),
        (Status::Running | Status::Canceling, "success" | "failed") => {
            Ok(apply_end(state, id, &told, params))
        }
        (Status::Pending, _) => Ok(StatusCode::CONFLICT),
        _ => Err(Refusal::bad_request("400 Bad request - Invalid state")),
    }
}

/// 412 if part of the log is missing, 202 once if a test wants that, else the end.
fn apply_end(state: &mut State, id: JobId, told: &str, params: &Params) -> StatusCode {
    let accepts_before_ok = state.knobs.accepts_before_ok;
    let Ok(job) = state.job_mut(id) else { return StatusCode::NOT_FOUND };
    let size = params.value("output").and_then(|output| output["bytesize"].as_u64());
    if size.is_some_and(|size| size != job.log.len() as u64) {
        return StatusCode::PRECONDITION_FAILED;
    }
    if accepts_before_ok && !job.is_final_update_accepted {
        job.is_final_update_accepted = true;
        return StatusCode::ACCEPTED;
    }
    let exit_code = params.value("exit_code").and_then(serde_json::Value::as_i64);
    match (job.status, told) {
        (Status::Canceling, _) => state.finish(id, Status::Canceled, None, exit_code),
        (_, "success") => state.finish(id, Status::Success, None, exit_code),
        _ => {
            let reason = params.text("failure_reason").unwrap_or_else(|| "unknown_failure".to_owned());
            state.finish(id, Status::Failed, Some(reason), exit_code);
        }
    }
    StatusCode::OK
}

/// Every answer tells where the job stands, which is how a runner learns that it is canceled.
fn tell(state: &State, id: JobId, status: StatusCode, range: Option<String>) -> Response {
    let job_status = state.job(id).map_or("", |job| job.status.as_str());
    let interval = state.knobs.trace_update_interval.to_string();
    let mut response = (
        status,
        [("job-status", job_status), ("x-gitlab-trace-update-interval", interval.as_str())],
        status.as_u16().to_string(),
    )
        .into_response();
    if let Some(range) = range.and_then(|range| range.parse().ok()) {
        response.headers_mut().insert(header::RANGE, range);
    }
    response
}

/// `<first>-<last>` as first and length.
fn parse_range(range: &str) -> Option<(usize, usize)> {
    let (first, last) = range.split_once('-')?;
    let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    Some((first, (last + 1).checked_sub(first)?))
}

/// The content of the only part of a form.
fn file_in_form<'a>(content_type: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    let boundary = content_type.split_once("boundary=")?.1.trim_matches('"');
    let start = find(body, b"\r\n\r\n")? + 4;
    let rest = body.get(start..)?;
    let end = find(rest, format!("\r\n--{boundary}").as_bytes())?;
    rest.get(..end)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_first_byte_and_length() {
        for (range, expected) in
            [("0-9", Some((0, 10))), ("10-10", Some((10, 1))), ("5-3", None), ("x", None)]
        {
            assert_eq!(parse_range(range), expected, "{range}");
        }
    }

    #[test]
    fn the_file_of_a_form_is_found() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\na\r\nb\r\n--b--\r\n";
        assert_eq!(file_in_form("multipart/form-data; boundary=b", body), Some(&b"a\r\nb"[..]));
        assert_eq!(file_in_form("text/plain", body), None);
    }
}
