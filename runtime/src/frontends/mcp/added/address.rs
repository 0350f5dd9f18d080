//! Forms of addresses: text with `{names}` in it, each of which stands for a segment.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

/// What the places of a form are filled with, if the address is of that form. Each is one segment of a path or less, and
/// not empty.
pub(super) fn filled(form: &str, address: &str) -> Option<HashMap<String, String>> {
    let mut filled = HashMap::new();
    let (mut form, mut address) = (form, address);
    while let Some((before, rest)) = form.split_once('{') {
        let (name, behind) = rest.split_once('}')?;
        address = address.strip_prefix(before)?;
        let until = behind.find('{').map_or(behind, |next| &behind[..next]);
        let end = match until {
            "" => address.find('/').unwrap_or(address.len()),
            until => address.find(until)?,
        };
        let (value, left) = address.split_at(end);
        if value.is_empty() || value.contains('/') {
            return None;
        }
        filled.insert(name.to_owned(), percent_decode_str(value).decode_utf8().ok()?.into_owned());
        (form, address) = (behind, left);
    }
    (form == address).then_some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(form: &str, address: &str) -> Option<Vec<(String, String)>> {
        let mut values: Vec<_> = filled(form, address)?.into_iter().collect();
        values.sort();
        Some(values)
    }

    #[test]
    fn an_address_of_a_form_fills_its_places_and_no_other_does() {
        let one = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(values("a://x/{id}/data", "a://x/1%2F2/data"), Some(vec![one("id", "1/2")]));
        assert_eq!(values("a://{x}/{y}", "a://1/2"), Some(vec![one("x", "1"), one("y", "2")]));
        assert_eq!(values("a://x", "a://x"), Some(Vec::new()));
        for other in ["a://x//data", "a://x/1/2/data", "a://x/1", "a://x/1/data/more", "b://x/1/data", ""] {
            assert_eq!(values("a://x/{id}/data", other), None, "{other}");
        }
        assert_eq!(values("a://x/{id", "a://x/1"), None);
    }
}
