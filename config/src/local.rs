//! Servers of models that may run on this machine without anybody having written them down.

use std::net::IpAddr;

use url::{Host, Url};

use crate::{Environment, Kind, Settings};

/// A server on this machine, or where `OLLAMA_HOST` says that Ollama is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalServer {
    /// What its provider is called.
    pub name: &'static str,
    /// How it is spoken to.
    pub kind: Kind,
    /// Where it is.
    pub base_url: Url,
}

/// Where to look for local servers, in order of preference. Whoever is at the edge finds out which of them answer and
/// gives those to [`load_found`](crate::load_found).
///
/// Where the daemon of these settings itself would listen is left out.
#[must_use]
pub fn local_servers(settings: &Settings, environment: &Environment) -> Vec<LocalServer> {
    let at = |address: &str| Url::parse(address).expect("an address that is written here is one");
    let ollama = environment.text("OLLAMA_HOST").and_then(ollama_host).unwrap_or_else(|| at("http://127.0.0.1:11434"));
    let servers = [
        LocalServer { name: "ollama", kind: Kind::Ollama, base_url: ollama },
        LocalServer { name: "llamacpp", kind: Kind::LlamaCpp, base_url: at("http://127.0.0.1:8080") },
    ];
    servers.into_iter().filter(|server| !is_own(settings, &server.base_url)).collect()
}

fn is_own(settings: &Settings, url: &Url) -> bool {
    let listen = settings.server.listen;
    let same_ip = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" && (listen.ip().is_loopback() || listen.ip().is_unspecified()),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip) == listen.ip() || listen.ip().is_unspecified() && ip.is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip) == listen.ip() || listen.ip().is_unspecified() && ip.is_loopback(),
        None => false,
    };
    same_ip && url.port_or_known_default() == Some(listen.port())
}

/// The address in `OLLAMA_HOST`, which Ollama's server listens by and its client asks: `host`, `host:port`, `:port`, or
/// a URL. An address that stands for all of a machine's is asked on loopback.
fn ollama_host(text: &str) -> Option<Url> {
    const PORT: u16 = 11434;
    let text = text.trim().trim_matches(['"', '\'']);
    let (with_scheme, default_port) = match text.split_once("://") {
        Some(("http" | "https", _)) => (text.to_owned(), false),
        Some(_) => return None,
        None if text.starts_with(':') => (format!("http://127.0.0.1{text}"), true),
        None => (format!("http://{text}"), true),
    };
    let mut url = Url::parse(&with_scheme).ok()?;
    // A port that is the scheme's own is forgotten by a URL, though it was written.
    let written_port = text.rsplit_once(':').is_some_and(|(_, port)| port.trim_end_matches('/').parse::<u16>().is_ok());
    if default_port && !written_port {
        url.set_port(Some(PORT)).ok()?;
    }
    let everywhere = match url.host()? {
        Host::Ipv4(ip) => ip.is_unspecified(),
        Host::Ipv6(ip) => ip.is_unspecified(),
        Host::Domain(_) => false,
    };
    if everywhere {
        url.set_ip_host(IpAddr::from([127, 0, 0, 1])).ok()?;
    }
    let is_plain = url.username().is_empty() && url.password().is_none();
    url.set_query(None);
    url.set_fragment(None);
    is_plain.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<String> {
        ollama_host(text).map(|url| url.to_string())
    }

    #[test]
    fn every_form_of_ollamas_address_is_read() {
        for (text, want) in [
            ("127.0.0.1", "http://127.0.0.1:11434/"),
            ("box", "http://box:11434/"),
            ("box:1234", "http://box:1234/"),
            ("box:80", "http://box/"),
            (":1234", "http://127.0.0.1:1234/"),
            ("0.0.0.0", "http://127.0.0.1:11434/"),
            ("[::]:1234", "http://127.0.0.1:1234/"),
            ("[::1]", "http://[::1]:11434/"),
            ("http://box:1234/", "http://box:1234/"),
            ("https://ollama.example/base", "https://ollama.example/base"),
            (" \"box\" ", "http://box:11434/"),
        ] {
            assert_eq!(address(text).as_deref(), Some(want), "{text}");
        }
        for text in ["ftp://box", "http://", "user:secret@box", "a b"] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn our_own_address_is_not_looked_at() {
        let names = |listen: &str, host: &str| -> Vec<&str> {
            let mut settings = Settings::default();
            settings.server.listen = listen.parse().expect("an address");
            let environment = Environment::from_iter([("OLLAMA_HOST", host)]);
            local_servers(&settings, &environment).iter().map(|server| server.name).collect()
        };
        assert_eq!(names("127.0.0.1:4747", ""), ["ollama", "llamacpp"]);
        assert_eq!(names("127.0.0.1:8080", ""), ["ollama"]);
        assert_eq!(names("0.0.0.0:11434", ""), ["llamacpp"]);
        assert_eq!(names("127.0.0.1:4747", "localhost:4747"), ["llamacpp"]);
        assert_eq!(names("10.0.0.1:8080", ""), ["ollama", "llamacpp"]);
    }
}
