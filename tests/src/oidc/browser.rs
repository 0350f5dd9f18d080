//! As much of a browser as logging in takes: cookies, redirects and forms.

use url::{Position, Url};

use super::Consent;
use super::form::Form;
use super::jar::Jar;
use crate::client::{Response, request};

/// A browser that has not come to an end by so many requests goes round in circles.
const MOST_REQUESTS: usize = 20;

/// One that has never been anywhere.
pub(super) struct Browser {
    server: Url,
    jar: Jar,
}

/// What a browser is left with.
pub(super) enum End {
    /// An address at another server, to which it was redirected; not opened yet.
    Elsewhere(Url),
    /// A page of the server that asks for nothing the person knows.
    Page(Response),
}

impl Browser {
    /// For the pages of this server alone.
    pub(super) fn new(server: &str) -> Self {
        Self { server: server.parse().expect("the address of a server"), jar: Jar::default() }
    }

    /// Opens an address and does all that is asked there.
    pub(super) async fn open(&mut self, url: &str, consent: Consent<'_>) -> End {
        let mut url: Url = url.parse().expect("an address to open");
        let mut sent = None;
        for _ in 0..MOST_REQUESTS {
            if url.origin() != self.server.origin() {
                return End::Elsewhere(url);
            }
            let response = self.request(&url, sent.take()).await;
            if let (300..400, Some(location)) = (response.status, response.header("location")) {
                url = url.join(location).expect("an address to be redirected to");
                continue;
            }
            let Some(form) = Form::read(&response.text()) else { return End::Page(response) };
            let Some(fields) = filled(&form, consent) else { return End::Page(response) };
            url = url.join(&form.action).expect("an address for a form");
            sent = Some(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish());
        }
        panic!("no end after {MOST_REQUESTS} requests, at {url}");
    }

    /// Gets a page, or posts a form.
    async fn request(&mut self, url: &Url, form: Option<String>) -> Response {
        let cookies = self.jar.header(url.path());
        let mut headers = vec![("accept", "text/html")];
        headers.extend(cookies.as_deref().map(|cookies| ("cookie", cookies)));
        headers.extend(form.as_ref().map(|_| ("content-type", "application/x-www-form-urlencoded")));
        let method = if form.is_some() { "POST" } else { "GET" };
        let body = form.unwrap_or_default();
        let response = exchange(url, method, &headers, body.as_bytes()).await;
        for (name, value) in &response.headers.0 {
            if name.eq_ignore_ascii_case("set-cookie") {
                self.jar.set(value);
            }
        }
        response
    }
}

/// The fields of a form with what the person adds; none if it asks for what only somebody else knows.
fn filled(form: &Form, consent: Consent<'_>) -> Option<Vec<(String, String)>> {
    let (name, decision) = match consent {
        Consent::Allow(name) => (name, "allow"),
        Consent::Deny => ("", "deny"),
    };
    let mut fields = form.hidden.clone();
    match form.asked.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {}
        ["name"] => fields.extend([("name", name), ("decision", decision)].map(|(k, v)| (k.to_owned(), v.to_owned()))),
        _ => return None,
    }
    Some(fields)
}

/// Opens the address at the client that a browser was sent back to (`http://host:port/…`), as the browser would.
///
/// # Panics
/// If nobody answers there.
pub async fn deliver(redirect: &Url) -> Response {
    exchange(redirect, "GET", &[("accept", "text/html")], b"").await
}

async fn exchange(url: &Url, method: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let path = &url[Position::BeforePath..Position::AfterQuery];
    request(&url[..Position::BeforePath], method, path, headers, body)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", &url[..Position::AfterPath]))
}
