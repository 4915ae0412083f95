//! Is the head of a request one to go on with? Who asks must have shown a certificate, and it must not be too long.

use hyper::body::Incoming;
use hyper::{Request, Response, header};

use super::body::{self, Body};
use crate::{Failure, Reason};

/// For one without a certificate, whatever it asks.
pub(super) fn unauthorized() -> Response<Body> {
    closing(body::failure(&Failure::new(
        Reason::Unauthorized,
        "Unauthorized: this API wants a client certificate of its own authority; the kubeconfig that `outrigger daemon` writes has one",
    )))
}

/// How long the head of a request is: the HTTP library reads somewhat more than it is told to.
pub(super) fn bytes(request: &Request<Incoming>) -> usize {
    const LINE: usize = "  HTTP/1.1\r\n\r\n".len();
    const BETWEEN: usize = ": \r\n".len();
    let address = request.uri().path_and_query();
    let first = request.method().as_str().len() + address.map_or(0, |it| it.as_str().len()) + LINE;
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + BETWEEN);
    first + headers.sum::<usize>()
}

/// For one whose head is too long.
pub(super) fn too_long(most: usize) -> Response<Body> {
    let status = hyper::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    let text = format!(
        "the address and the headers of a request may have {most} bytes together: put less into selectors and headers\n"
    );
    closing(body::whole(status, "text/plain; charset=utf-8", text))
}

fn closing(mut answer: Response<Body>) -> Response<Body> {
    let close = header::HeaderValue::from_static("close");
    answer.headers_mut().insert(header::CONNECTION, close);
    answer
}
