//! The events of a stream, one after the other.

use crate::json::{put_key, put_str, put_value};

/// Numbers events as they are written.
#[derive(Debug, Default)]
pub(super) struct Frames {
    next: u64,
    /// How many of the first events are not written, since the client has them.
    known: u64,
    /// Nothing is written, since only what is left at the end is wanted.
    silent: bool,
}

impl Frames {
    pub(super) fn silent() -> Self {
        Self { silent: true, ..Self::default() }
    }

    /// The client has the event of this number, and all before it.
    pub(super) fn handle_known(&mut self, last: u64) {
        self.known = last.saturating_add(1);
    }

    /// Leaves numbers out. Whether the client has none of them.
    pub(super) fn leave_out(&mut self, count: u64) -> bool {
        let from = self.next;
        self.next = self.next.saturating_add(count);
        self.known <= from || self.known > self.next
    }

    /// Appends an event of this type, whose other fields `put` writes.
    pub(super) fn put(&mut self, kind: &str, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
        if self.silent {
            return;
        }
        if self.next < self.known {
            self.next += 1;
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
