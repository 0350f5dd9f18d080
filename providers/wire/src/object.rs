//! The shapes of a provider's JSON, read without copying what needs no unescaping.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// A string. (`Option<Cow<str>>` would always copy: serde borrows only for a bare `Cow` field.)
#[derive(Debug, Default, Clone)]
pub(crate) struct Str<'a>(pub(crate) Cow<'a, str>);

impl<'a> Str<'a> {
    /// The text, unless there is none: servers write "", null and nothing for the same thing.
    pub(crate) fn filled(this: &Option<Self>) -> Option<&str> {
        this.as_ref().map(|text| &*text.0).filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Str<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Text)
    }
}

/// An object: its known fields, null or absent being `None`, and in `rest` what is not known and not null.
macro_rules! object {
    ($(#[$about:meta])* $name:ident { $($field:ident $(= $key:literal $(| $alias:literal)?)? : $type:ty),* $(,)? } ignore [$($ignored:literal),*]) => {
        $(#[$about])*
        #[derive(Debug, Default, Clone)]
        pub(crate) struct $name<'a> {
            $(pub(crate) $field: Option<$type>,)*
            pub(crate) rest: Vec<(::std::borrow::Cow<'a, str>, &'a ::serde_json::value::RawValue)>,
        }

        impl<'de: 'a, 'a> ::serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Fields<'a>(std::marker::PhantomData<&'a ()>);
                impl<'de: 'a, 'a> ::serde::de::Visitor<'de> for Fields<'a> {
                    type Value = $name<'a>;
                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: ::serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut this = $name::default();
                        while let Some($crate::object::Str(key)) = map.next_key::<$crate::object::Str<'a>>()? {
                            match &*key {
                                $(object!(@key $field $($key $(| $alias)?)?) => if let Some(value) = map.next_value::<Option<$type>>()? {
                                    this.$field = Some(value);
                                },)*
                                $($ignored => drop(map.next_value::<::serde::de::IgnoredAny>()?),)*
                                _ => if let Some(raw) = map.next_value::<Option<&'a ::serde_json::value::RawValue>>()? {
                                    this.rest.push((key, raw));
                                },
                            }
                        }
                        Ok(this)
                    }
                }
                from.deserialize_map(Fields(std::marker::PhantomData))
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal $(| $alias:literal)?) => { $key $(| $alias)? };
}

pub(crate) use object;
