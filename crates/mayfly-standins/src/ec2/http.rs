//! A server that speaks EC2's query protocol, on loopback.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use mayfly_core::machine::Market;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use super::call::{Ec2Error, FleetAnswer};
use super::fault::{Delivery, Reply};
use super::model::{Ec2Model, Instance, InstanceState};
use super::query::Query;
use super::shared::SharedEc2;
use super::xml::Element;

/// A running stand-in. It ends when it is dropped.
#[derive(Debug)]
pub struct Ec2Server {
    url: Url,
    ec2: SharedEc2,
    server: JoinHandle<io::Result<()>>,
}

impl Ec2Server {
    /// Serves this EC2.
    pub async fn start(ec2: SharedEc2) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = Url::parse(&format!("http://{}", listener.local_addr()?)).map_err(io::Error::other)?;
        let router = Router::new().fallback(answer).with_state(ec2.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, ec2, server })
    }

    /// Its address, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What it serves.
    pub fn ec2(&self) -> &SharedEc2 {
        &self.ec2
    }
}

impl Drop for Ec2Server {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(ec2): State<SharedEc2>, body: Bytes) -> Response {
    let query = Query::read(&body);
    let Reply { answer, delivery } = ec2.with(|model, now| reply_to(model, &query, now));
    match delivery {
        Delivery::AtOnce => {}
        Delivery::After(time) => tokio::time::sleep(time).await,
        Delivery::Lost => return cut_off(),
        Delivery::Unreadable => return document(StatusCode::OK, "<html>proxy error".to_owned()),
    }
    match answer {
        Ok(element) => document(StatusCode::OK, element.to_document()),
        Err(error) => refusal(&error),
    }
}

fn document(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml;charset=UTF-8")], text).into_response()
}

fn refusal(error: &Ec2Error) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let error = [Element::text("Code", &error.code), Element::text("Message", &error.message)];
    let errors = Element::of("Errors", [Element::of("Error", error)]);
    document(status, Element::of("Response", [errors, Element::text("RequestID", "r")]).to_document())
}

/// An answer whose connection ends before its end.
fn cut_off() -> Response {
    let end = io::Error::new(io::ErrorKind::ConnectionReset, "as the test wants");
    Body::from_stream(stream::iter([Err::<Bytes, _>(end)])).into_response()
}

fn reply_to(model: &mut Ec2Model, query: &Query, now: Duration) -> Reply<Element> {
    let replied = match query.get("Action") {
        Some("CreateFleet") => query.fleet_call().map(|call| told(model.create_fleet(&call, now), fleet)),
        Some("DescribeInstances") => {
            query.filter().and_then(|filter| Ok((filter, query.page()?))).map(|(filter, page)| {
                let reply = model.describe(&filter, page, now);
                told(reply, |(instances, next)| described(model, &instances, next, now))
            })
        }
        Some("TerminateInstances") => {
            let reply = model.terminate(&query.ids(), now);
            Ok(told(reply, |instances| terminated(model, &instances, now)))
        }
        action => Err(Ec2Error::new(400, "InvalidAction", format!("The action {action:?} is not valid"))),
    };
    replied.unwrap_or_else(|error| Reply { answer: Err(error), delivery: Delivery::AtOnce })
}

fn told<T>(reply: Reply<T>, tell: impl FnOnce(T) -> Element) -> Reply<Element> {
    Reply { answer: reply.answer.map(tell), delivery: reply.delivery }
}

fn fleet(answer: FleetAnswer) -> Element {
    let machines = answer.machines.into_iter().map(|(id, pool)| {
        [
            Element::text("instanceType", pool.instance_type),
            Element::text("lifecycle", lifecycle(pool.market)),
            Element::of("instanceIds", [Element::text("item", id)]),
        ]
    });
    let errors = answer.errors.into_iter().map(|error| {
        [
            Element::text("errorCode", error.code),
            Element::text("errorMessage", error.message),
            Element::text("lifecycle", lifecycle(error.pool.market)),
        ]
    });
    Element::of(
        "CreateFleetResponse",
        [
            Element::text("requestId", "r"),
            Element::text("fleetId", "fleet-0"),
            Element::list("fleetInstanceSet", machines),
            Element::list("errorSet", errors),
        ],
    )
}

fn lifecycle(market: Market) -> &'static str {
    match market {
        Market::Spot => "spot",
        Market::OnDemand => "on-demand",
    }
}

fn described(model: &Ec2Model, instances: &[Instance], next: Option<usize>, now: Duration) -> Element {
    let reservations = instances.iter().map(|instance| {
        let tags = instance.tags.iter();
        let machine = [
            Element::text("instanceId", &instance.id),
            state("instanceState", model.state_of(instance, now)),
            Element::list(
                "tagSet",
                tags.map(|(key, value)| [Element::text("key", key), Element::text("value", value)]),
            ),
        ];
        [Element::text("reservationId", "r-0"), Element::list("instancesSet", [machine])]
    });
    let reservations = Element::list("reservationSet", reservations);
    let next = next.map(|next| Element::text("nextToken", next.to_string()));
    Element::of("DescribeInstancesResponse", std::iter::once(reservations).chain(next))
}

fn terminated(model: &Ec2Model, instances: &[Instance], now: Duration) -> Element {
    let machines = instances.iter().map(|instance| {
        [Element::text("instanceId", &instance.id), state("currentState", model.state_of(instance, now))]
    });
    Element::of("TerminateInstancesResponse", [Element::list("instancesSet", machines)])
}

fn state(name: &'static str, state: InstanceState) -> Element {
    let (code, word) = match state {
        InstanceState::Running => ("16", "running"),
        InstanceState::ShuttingDown => ("32", "shutting-down"),
        InstanceState::Terminated => ("48", "terminated"),
    };
    Element::of(name, [Element::text("code", code), Element::text("name", word)])
}
