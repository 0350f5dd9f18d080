use proptest::prelude::*;

use super::*;

type Owned = Result<(String, String), FrameError>;

fn take(framer: &mut SseFramer, frames: &mut Vec<Owned>) {
    while let Some(frame) = framer.next_frame() {
        frames.push(frame.map(|frame| (frame.event.to_owned(), frame.data.to_owned())));
    }
}

fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Owned>, u64) {
    let mut framer = SseFramer::new();
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        take(&mut framer, &mut frames);
    }
    framer.end();
    take(&mut framer, &mut frames);
    (frames, framer.comments())
}

fn ok(event: &str, data: &str) -> Owned {
    Ok((event.to_owned(), data.to_owned()))
}

/// Checks a stream whole, and cut in two at every byte.
fn check(stream: &[u8], want: &[Owned], comments: u64) {
    assert_eq!(frames([stream]), (want.to_vec(), comments));
    for at in 0..=stream.len() {
        let (one, two) = stream.split_at(at);
        assert_eq!(frames([one, two]), (want.to_vec(), comments), "cut at {at}");
    }
    assert_eq!(frames(stream.chunks(1)), (want.to_vec(), comments), "byte by byte");
}

#[test]
fn every_line_end_ends_a_line() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = ["data: one", "", "event: e", "data:two", "", "", "data: three", ""].join(end);
        check(stream.as_bytes(), &[ok("", "one"), ok("e", "two"), ok("", "three")], 0);
    }
    check(b"data: a\r\n\ndata: b\r\rdata: c\n\r\n", &[ok("", "a"), ok("", "b"), ok("", "c")], 0);
}

#[test]
fn lines_of_data_are_joined() {
    check(b"data: a\ndata:\ndata:  b\ndata\n\n", &[ok("", "a\n\n b\n")], 0);
}

#[test]
fn comments_and_unknown_fields_are_no_frames() {
    check(b": PROCESSING\n\n:\n\nid: 7\nretry: 5\ndata: a\n: in between\n\n: after", &[ok("", "a")], 4);
    check(b"event: nothing\n\ndata: a\n\n", &[ok("", "a")], 0);
}

#[test]
fn the_last_frame_needs_no_blank_line() {
    check(b"data: a\n\ndata: [DONE]", &[ok("", "a"), ok("", "[DONE]")], 0);
    check(b"data: a\n", &[ok("", "a")], 0);
    check(b"", &[], 0);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    check(b"\xef\xbb\xbfdata: a\n\n", &[ok("", "a")], 0);
    check(b"\xef\xbb\xbf\n\ndata: a\n\n", &[ok("", "a")], 0);
}

#[test]
fn only_cr_and_lf_end_lines() {
    let text = "a\u{2028}b\u{85}c\u{b}d";
    check(format!("data: {text}\n\n").as_bytes(), &[ok("", text)], 0);
}

#[test]
fn what_is_not_utf8_fails_its_frame_alone() {
    check(b"data: a\xff\n\ndata: b\n\n", &[Err(FrameError::Utf8), ok("", "b")], 0);
    check("data: é€😀\n\n".as_bytes(), &[ok("", "é€😀")], 0);
}

#[test]
fn endless_frames_end_the_stream() {
    let mut framer = SseFramer::new();
    let piece = vec![b'x'; 1 << 20];
    framer.push(b"data: ");
    let mut pushed = 0;
    let failed = loop {
        framer.push(&piece);
        pushed += 1;
        if let Some(frame) = framer.next_frame() {
            break frame.unwrap_err();
        }
    };
    assert_eq!((failed, pushed), (FrameError::TooLarge, 16));
    framer.push(b"\n\ndata: a\n\n");
    assert!(framer.next_frame().is_none());
    assert!(framer.buffer.capacity() <= 3 * MAX_FRAME);
}

#[test]
fn endless_comments_do_not_pile_up() {
    let mut framer = SseFramer::new();
    for _ in 0..100_000 {
        framer.push(b": still here\n");
        assert!(framer.next_frame().is_none());
    }
    assert!(framer.buffer.capacity() < 1024);
    assert_eq!(framer.comments(), 100_000);
}

#[test]
fn a_frame_in_small_pieces_takes_linear_time() {
    let mut framer = SseFramer::new();
    let started = std::time::Instant::now();
    framer.push(b"data: a\n\ndata: ");
    framer.next_frame().unwrap().unwrap();
    for _ in 0..4_000_000 {
        framer.push(b"xy");
        assert!(framer.next_frame().is_none());
    }
    // Quadratic work would be hours; the bound is loose for slow, unoptimised builds.
    assert!(started.elapsed().as_secs() < 60);
}

#[test]
fn an_id_holds_from_its_frame_on() {
    let stream = b"data: none\n\nid: 3-17\ndata: one\n\ndata: two\n\nid\ndata: three\n\nid: later\n";
    for size in 1..stream.len() {
        let mut framer = SseFramer::new();
        let mut ids = Vec::new();
        for piece in stream.chunks(size) {
            framer.push(piece);
            while let Some(Ok(frame)) = framer.next_frame() {
                let data = frame.data.to_owned();
                ids.push((data, framer.last_id().to_owned()));
            }
        }
        let want = [("none", ""), ("one", "3-17"), ("two", "3-17"), ("three", "")];
        assert_eq!(ids, want.map(|(data, id)| (data.to_owned(), id.to_owned())), "pieces of {size}");
    }
}

fn fields() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec!["data: x", "data:", "event: e", ":c", "€", "", "id"]);
    let end = prop::sample::select(vec!["\n", "\r\n", "\r", ""]);
    proptest::collection::vec((line, end), 0..40)
        .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| [line, end].concat().into_bytes()).collect())
}

proptest! {
    #[test]
    fn cuts_change_nothing(stream in fields(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
        places.sort_unstable();
        let pieces = places.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(frames(pieces), frames([&stream[..]]));
    }

    #[test]
    fn garbage_does_no_harm(stream in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (whole, _) = frames([&stream[..]]);
        prop_assert_eq!(frames(stream.chunks(1)).0, whole);
    }
}
