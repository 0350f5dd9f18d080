//! What a request says that has no word in the chat language, kept where it stood.

use serde_json::{Map, Value};

use crate::{
    chat::{Extra, Wire},
    encode::LeftOut,
    extras::pointer,
    json::{put_key, put_value},
};

/// What stands at a pointer and has no word in the chat language.
pub(in crate::ollama) fn extra(path: String, json: Value) -> Extra {
    Extra { wire: Wire::Ollama, path, json }
}

/// What is left of an object, as extras. Null is the same as nothing everywhere on this wire.
pub(super) fn rest(extras: &mut Vec<Extra>, at: &str, map: Map<String, Value>) {
    let said = map.into_iter().filter(|(_, value)| !value.is_null());
    extras.extend(said.map(|(key, json)| extra(format!("{at}/{}", pointer(&key)), json)));
}

/// The keys of the object at this path that only extras of this wire say.
pub(in crate::ollama) fn own_extras<'a>(extras: &'a [Extra], at: &str) -> impl Iterator<Item = (String, &'a Value)> {
    extras.iter().filter(|extra| extra.wire == Wire::Ollama).filter_map(move |extra| {
        let key = extra.path.strip_prefix(at)?.strip_prefix('/').filter(|key| !key.contains('/'))?;
        Some((key.replace("~1", "/").replace("~0", "~"), &extra.json))
    })
}

/// Writes them into the open object, but for keys that were written already.
pub(super) fn put_extras(out: &mut Vec<u8>, extras: &[Extra], at: &str, written: &[&str]) {
    for (key, json) in own_extras(extras, at).filter(|(key, _)| !written.contains(&key.as_str())) {
        put_key(out, &key);
        put_value(out, json);
    }
}

/// Reports what another wire's extras say, which is left out.
pub(super) fn report_foreign(at: &str, extras: &[Extra], left_out: &mut Vec<LeftOut>) {
    for extra in extras.iter().filter(|extra| extra.wire != Wire::Ollama) {
        left_out.push(LeftOut { at: format!("{at}{}", extra.path), what: "another wire's own field" });
    }
}
