//! The events of a stream, one after the other.

use crate::json::{put_key, put_str, put_value};

/// Numbers events as they are written.
#[derive(Debug, Default)]
pub(super) struct Frames {
    next: u64,
    /// Nothing is written, since only what is left at the end is wanted.
    silent: bool,
}

impl Frames {
    pub(super) fn silent() -> Self {
        Self { next: 0, silent: true }
    }

    /// Appends an event of this type, whose other fields `put` writes.
    pub(super) fn put(&mut self, kind: &str, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
        if self.silent {
            return;
        }
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: {\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"sequence_number\":");
        put_value(out, &self.next);
        self.next += 1;
        put(out);
        out.extend_from_slice(b"}\n\n");
    }

    /// The same for an event of an item.
    pub(super) fn put_of(&mut self, kind: &str, place: &Place, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
        self.put(kind, out, |out| {
            place.put(out);
            put(out);
        });
    }

    /// An item begins; `put` writes it.
    pub(super) fn added(&mut self, index: u32, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
        self.put("response.output_item.added", out, |out| put_item(index, out, put));
    }

    /// An item ends as this.
    pub(super) fn done(&mut self, index: u32, item: &[u8], out: &mut Vec<u8>) {
        self.put("response.output_item.done", out, |out| put_item(index, out, |out| out.extend_from_slice(item)));
    }
}

fn put_item(index: u32, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    put_key(out, "output_index");
    put_value(out, &index);
    put_key(out, "item");
    put(out);
}

/// Which item an event is of.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) index: u32,
    pub(super) id: String,
}

impl Place {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"item_id\":");
        put_str(out, &self.id);
        out.extend_from_slice(b",\"output_index\":");
        put_value(out, &self.index);
    }
}
