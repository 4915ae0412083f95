//! Which streams of a Pod are wanted: its log, a command, a container's own streams, its ports?

use k8s_openapi::jiff::Timestamp;

use super::query::{Query, wrong};
use super::{Ask, Request, not_allowed};
use crate::{Attach, Exec, Failure, Interaction, LogQuery, Reason};

/// Streams of a Pod.
#[derive(Debug, Clone, PartialEq)]
pub struct PodStream {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// Which.
    pub kind: StreamKind,
}

/// Which streams.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamKind {
    /// `…/log`
    Log(LogQuery),
    /// `…/exec`
    Exec(Exec),
    /// `…/attach`
    Attach(Attach),
    /// `…/portforward`, with the ports that the query names (the older protocol does).
    PortForward(Vec<u16>),
}

/// Reads the query of one of the streams of the Pod of that namespace and name.
pub(super) fn read(
    ask: &Ask<'_>,
    query: &Query,
    (namespace, name): (&str, &str),
    sub: &str,
) -> Result<Request, Failure> {
    let is_allowed = match sub {
        "log" => matches!(ask.method, "GET" | "HEAD"),
        _ => matches!(ask.method, "GET" | "POST"),
    };
    if !is_allowed {
        return Err(not_allowed());
    }
    let container = query.one("container").unwrap_or_default().to_owned();
    let kind = match sub {
        "log" => StreamKind::Log(log(query, container, ask.now_ns)?),
        "exec" => {
            let command: Vec<String> = query.all("command").map(str::to_owned).collect();
            if command.is_empty() {
                return Err(bad(
                    "you must specify at least one command for the container",
                ));
            }
            StreamKind::Exec(Exec {
                container,
                command,
                streams: interaction(query)?,
            })
        }
        "attach" => StreamKind::Attach(Attach {
            container,
            streams: interaction(query)?,
        }),
        _ => StreamKind::PortForward(ports(query)?),
    };
    Ok(Request::Stream(PodStream {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        kind,
    }))
}

fn bad(message: impl Into<String>) -> Failure {
    Failure::new(Reason::BadRequest, message)
}

fn interaction(query: &Query) -> Result<Interaction, Failure> {
    let tty = query.flag("tty");
    let streams = Interaction {
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        // A terminal has one way out.
        stderr: query.flag("stderr") && !tty,
        tty,
    };
    if !streams.stdin && !streams.stdout && !streams.stderr {
        return Err(bad("you must specify at least 1 of stdin, stdout, stderr"));
    }
    Ok(streams)
}

fn ports(query: &Query) -> Result<Vec<u16>, Failure> {
    query
        .all("ports")
        .flat_map(|list| list.split(','))
        .filter(|port| !port.is_empty())
        .map(|port| match port.parse() {
            Ok(0) | Err(_) => Err(bad(format!(
                "{port:?} is not a port: must be between 1 and 65535"
            ))),
            Ok(port) => Ok(port),
        })
        .collect()
}

fn log(query: &Query, container: String, now_ns: i64) -> Result<LogQuery, Failure> {
    let invalid =
        |field: &str, why: String| Err(wrong("PodLogOptions", field, "FieldValueInvalid", &why));
    let at_least = |field: &str, least: i64| match query.number(field)? {
        Some(number) if number < least => invalid(
            field,
            format!("Invalid value: {number}: must be greater than or equal to {least}"),
        ),
        number => Ok(number.and_then(|number| u64::try_from(number).ok())),
    };
    let tail_lines = at_least("tailLines", 0)?;
    let limit_bytes = at_least("limitBytes", 1)?;
    let since_s = at_least("sinceSeconds", 1)?;
    let since_time = match query.one("sinceTime") {
        None | Some("") => None,
        Some(text) => match text.parse::<Timestamp>() {
            // What is too far off for a number of nanoseconds is still before or after everything.
            Ok(time) => {
                let ns = time.as_nanosecond();
                Some(i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX }))
            }
            Err(_) => {
                return Err(bad(format!(
                    "sinceTime: {text:?} is no time as in RFC 3339"
                )));
            }
        },
    };
    if since_s.is_some() && since_time.is_some() {
        return Err(wrong(
            "PodLogOptions",
            "sinceSeconds",
            "FieldValueForbidden",
            "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        ));
    }
    let ago = |seconds: u64| {
        let ns = i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000_000);
        now_ns.saturating_sub(ns)
    };
    let stream = which_stream(query)?;
    if stream.is_some() && tail_lines.is_some() {
        return Err(wrong(
            "PodLogOptions",
            "tailLines",
            "FieldValueForbidden",
            "Forbidden: `tailLines` and specific `stream` are mutually exclusive for now",
        ));
    }
    Ok(LogQuery {
        container,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        since_ns: since_s.map(ago).or(since_time),
        tail_lines,
        limit_bytes,
        timestamps: query.flag("timestamps"),
        stream,
    })
}

/// Which of the two streams is wanted, if only one is.
fn which_stream(query: &Query) -> Result<Option<&'static str>, Failure> {
    match query.one("stream") {
        None | Some("" | "All") => Ok(None),
        Some("Stdout") => Ok(Some("Stdout")),
        Some("Stderr") => Ok(Some("Stderr")),
        Some(other) => {
            let why = format!(
                "Unsupported value: {other:?}: supported values: \"All\", \"Stderr\", \"Stdout\""
            );
            Err(wrong(
                "PodLogOptions",
                "stream",
                "FieldValueNotSupported",
                &why,
            ))
        }
    }
}
