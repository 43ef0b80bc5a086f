//! One keep-alive HTTP/1.1 connection: what a closed-loop sender speaks through.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::failure::Failure;

/// A connection that carries one request after the other.
pub(crate) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let host = HeaderValue::from_str(&address.to_string()).map_err(hyper::http::Error::from)?;
        Ok(Self { requests, host })
    }

    /// Posts a JSON body; anything but 201 is a failure.
    pub(crate) async fn post(&mut self, path: &str, json: Bytes) -> Result<Bytes, Failure> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Full::new(json))?;
        self.expect(StatusCode::CREATED, path, request).await
    }

    /// Gets a resource, with the header that authenticates the reader; anything but 200 is a failure.
    pub(crate) async fn get(&mut self, path: &str, auth: Option<&str>) -> Result<Bytes, Failure> {
        let mut request = Request::builder().uri(path).header(HOST, &self.host);
        if let Some(auth) = auth {
            request = request.header(kez_core::inbox_auth::HEADER, auth);
        }
        self.expect(StatusCode::OK, path, request.body(Full::default())?).await
    }

    async fn expect(
        &mut self,
        expected: StatusCode,
        path: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Bytes, Failure> {
        self.requests.ready().await?;
        let response = self.requests.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status == expected {
            return Ok(body);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Err(Failure::Status { path: path.to_owned(), status, body })
    }
}
