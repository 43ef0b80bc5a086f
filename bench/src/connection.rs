//! One keep-alive HTTP/1.1 connection, as used by a closed-loop sender.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::failure::Failure;
use crate::origin::Origin;

/// The header in which a proxy names its client.
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// A connection that carries one request after another.
pub(crate) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(stream, address).await
    }

    /// Connects from the given origin.
    pub(crate) async fn open_from(origin: Origin, address: SocketAddr) -> Result<Self, Failure> {
        Self::over(origin.connect(address).await?, address).await
    }

    async fn over(stream: TcpStream, address: SocketAddr) -> Result<Self, Failure> {
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let host = HeaderValue::from_str(&address.to_string()).map_err(hyper::http::Error::from)?;
        Ok(Self { requests, host })
    }

    /// Posts a JSON body, with the header that authenticates the caller. Any status other than 201 is a failure.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        json: Bytes,
        auth: Option<&str>,
    ) -> Result<Bytes, Failure> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(auth) = auth {
            request = request.header(kez_core::inbox_auth::HEADER, auth);
        }
        self.expect(StatusCode::CREATED, path, request.body(Full::new(json))?).await
    }

    /// Gets a resource, with the header that authenticates the reader. Any status other than 200 is a failure.
    pub(crate) async fn get(&mut self, path: &str, auth: Option<&str>) -> Result<Bytes, Failure> {
        let mut request = Request::builder().uri(path).header(HOST, &self.host);
        if let Some(auth) = auth {
            request = request.header(kez_core::inbox_auth::HEADER, auth);
        }
        self.expect(StatusCode::OK, path, request.body(Full::default())?).await
    }

    /// Makes a request and returns the answer, whatever its status. The given headers are added to those of every
    /// request.
    pub(crate) async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        origin: Origin,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(client) = origin.forwarded {
            request = request.header(X_FORWARDED_FOR, client.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(request.body(Full::new(body))?).await
    }

    async fn answer(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
        self.requests.ready().await?;
        let response = self.requests.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    async fn expect(
        &mut self,
        expected: StatusCode,
        path: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Bytes, Failure> {
        let (status, body) = self.answer(request).await?;
        if status == expected {
            return Ok(body);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Err(Failure::Status { path: path.to_owned(), status, body })
    }
}
