//! Cookies of one server.

use std::collections::BTreeMap;

/// Cookies by name and path.
#[derive(Debug, Default)]
pub(super) struct Jar(BTreeMap<(String, String), String>);

impl Jar {
    /// Takes the value of a `set-cookie` header. An empty cookie is one that is taken back: no other one is empty here.
    pub(super) fn set(&mut self, header: &str) {
        let mut parts = header.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|cookie| cookie.split_once('=')) else { return };
        let path = parts
            .filter_map(|part| part.split_once('='))
            .find(|(attribute, _)| attribute.eq_ignore_ascii_case("path"))
            .map_or("/", |(_, path)| path);
        let key = (name.to_owned(), path.to_owned());
        if value.is_empty() {
            self.0.remove(&key);
        } else {
            self.0.insert(key, value.to_owned());
        }
    }

    /// The `cookie` header of a request for `path`; none without cookies.
    pub(super) fn header(&self, path: &str) -> Option<String> {
        let cookies: Vec<String> = self
            .0
            .iter()
            .filter(|((_, of), _)| covers(of, path))
            .map(|((name, _), value)| format!("{name}={value}"))
            .collect();
        (!cookies.is_empty()).then(|| cookies.join("; "))
    }
}

/// Whether a cookie of this path goes with a request for that one: the same, or one below it.
fn covers(of: &str, path: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || of.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::Jar;

    #[test]
    fn a_cookie_goes_where_its_path_says_until_it_is_taken_back() {
        let mut jar = Jar::default();
        assert_eq!(jar.header("/"), None);
        jar.set("session=a=1; path=/; httponly; samesite=lax");
        jar.set("resume=b; Path=/auth/x");
        assert_eq!(jar.header("/auth").as_deref(), Some("session=a=1"));
        assert_eq!(jar.header("/auth/xy").as_deref(), Some("session=a=1"));
        assert_eq!(jar.header("/auth/x").as_deref(), Some("resume=b; session=a=1"));
        jar.set("session=c; path=/");
        jar.set("resume=; path=/auth/x; expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(jar.header("/auth/x/y").as_deref(), Some("session=c"));
    }
}
