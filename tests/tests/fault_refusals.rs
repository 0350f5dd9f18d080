//! Providers that refuse: what is waited for, what is handed on at once, what is told as it is, and who is left alone.

mod fault_support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fault_support::Sees::{Fails, First, Second};
use fault_support::{Fault, Mark, Wire, play};
use greenroom_tests::Attempt;

const LIMITED: fault_support::Sees = Fails(429, "rate_limit_error", "rate_limit_exceeded", &["rate_limited"]);
const OVERFLOWS: fault_support::Sees =
    Fails(400, "invalid_request_error", "context_length_exceeded", &["context_overflow"]);

/// Refuses once, and then answers.
fn once(wire: Wire, refusal: Attempt) -> Vec<Attempt> {
    vec![refusal, wire.good().always()]
}

fn limited(wire: Wire, header: &str, value: &str) -> Attempt {
    wire.error(429).header(header, value)
}

/// The moment in so many seconds, as HTTP writes it.
fn http_date(seconds: u64) -> String {
    let at = SystemTime::now() + Duration::from_secs(seconds);
    let days = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][usize::try_from(days % 7).unwrap_or_default()];
    let moment = humantime::format_rfc3339_seconds(at).to_string();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months[moment[5..7].parse::<usize>().unwrap_or(1) - 1];
    format!("{weekday}, {} {month} {} {} GMT", &moment[8..10], &moment[..4], &moment[11..19])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_kept_to_and_never_hammered() {
    let cooling = |least, most| Mark::Model("rate_limited", least, most);
    let faults = vec![
        Fault::new("a limit of two seconds is waited for, since no other key of the provider is good", |wire| {
            once(wire, limited(wire, "retry-after", "2"))
        })
        .either_way(First, 2, Mark::None)
        .gap(Duration::from_secs(2)),
        Fault::new("a limit in milliseconds is waited for", |wire| once(wire, limited(wire, "retry-after-ms", "300")))
            .either_way(First, 2, Mark::None)
            .gap(Duration::from_millis(300)),
        Fault::always("a limit that does not say how long leaves the model alone", |wire| wire.error(429))
            .alone(LIMITED, 1, cooling(30, 30))
            .with_other(Second, 1, cooling(30, 30))
            .told("slow down")
            .retry_after(30),
        Fault::always("a limit of a minute is handed on at once", |wire| limited(wire, "retry-after", "60"))
            .alone(LIMITED, 1, cooling(60, 60))
            .with_other(Second, 1, cooling(60, 60))
            .retry_after(60),
        Fault::always("a limit until a date is known for one", |wire| limited(wire, "retry-after", &http_date(90)))
            .alone(LIMITED, 1, cooling(60, 91))
            .with_other(Second, 1, cooling(60, 91))
            .retry_after(90),
        Fault::always("a long limit in milliseconds is known for one", |wire| {
            limited(wire, "retry-after-ms", "45000").header("retry-after", "7")
        })
        .alone(LIMITED, 1, cooling(45, 45))
        .with_other(Second, 1, cooling(45, 45))
        .retry_after(45),
        Fault::always("a key that is not accepted is left alone", |wire| wire.error(401))
            .alone(Fails(401, "authentication_error", "invalid_api_key", &["auth"]), 1, Mark::Profile("auth", 30, 30))
            .with_other(Second, 1, Mark::Profile("auth", 30, 30)),
        Fault::always("a model that is not there is left out", |wire| wire.error(404))
            .alone(
                Fails(404, "invalid_request_error", "model_not_found", &["not_found"]),
                1,
                Mark::Model("not_found", 3600, 3600),
            )
            .with_other(Second, 1, Mark::Model("not_found", 3600, 3600)),
    ];
    play(faults, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_tried_once_more_and_handed_on() {
    let overloaded = |name, status| {
        Fault::always(name, move |wire| wire.error(status))
            .alone(
                Fails(503, "overloaded_error", "overloaded", &["overloaded", "overloaded"]),
                2,
                Mark::Model("overloaded", 5, 5),
            )
            .with_other(Second, 2, Mark::Model("overloaded", 5, 5))
            .told("too much to do")
    };
    let faults = vec![
        Fault::new("one failure is not noticed", |wire| once(wire, wire.error(500))).either_way(First, 2, Mark::None),
        Fault::always("a provider that fails twice is left alone", |wire| wire.error(500))
            .alone(Fails(502, "server_error", "provider_failed", &["server", "server"]), 2, Mark::Model("server", 5, 5))
            .with_other(Second, 2, Mark::Model("server", 5, 5))
            .told("it broke here"),
        overloaded("a provider with too much to do is tried once more", 503),
        Fault::always("Anthropic's own status for too much to do is one, too", |wire| wire.error(529))
            .alone(
                Fails(503, "overloaded_error", "overloaded", &["overloaded", "overloaded"]),
                2,
                Mark::Model("overloaded", 5, 5),
            )
            .with_other(Second, 2, Mark::Model("overloaded", 5, 5)),
        Fault::new("too much to do for a second is waited for", |wire| {
            once(wire, wire.error(503).header("retry-after", "1"))
        })
        .either_way(First, 2, Mark::None)
        .gap(Duration::from_secs(1)),
        Fault::always("too much to do for a minute is handed on at once", |wire| {
            wire.error(503).header("retry-after", "60")
        })
        .alone(Fails(503, "overloaded_error", "overloaded", &["overloaded"]), 1, Mark::None)
        .with_other(Second, 1, Mark::None)
        .retry_after(60),
        Fault::always("a provider that says that trying again is no use is believed", |wire| {
            wire.error(500).header("x-should-retry", "false")
        })
        .alone(Fails(502, "server_error", "provider_failed", &["server"]), 1, Mark::None)
        .with_other(Second, 1, Mark::None),
        Fault::always("a page in place of an error is an error of its status", |_| {
            Attempt::new().status(502).header("content-type", "text/html").body("<html>Bad Gateway</html>")
        })
        .alone(Fails(502, "server_error", "provider_failed", &["server", "server"]), 2, Mark::Model("server", 5, 5))
        .with_other(Second, 2, Mark::Model("server", 5, 5))
        .told("HTML"),
    ];
    play(faults, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_request_is_to_blame_for_is_not_sent_around() {
    let too_long = |wire: Wire| wire.refusal("context_length_exceeded", "prompt is too long: 12 tokens > 8 maximum");
    let faults = vec![
        Fault::always("a prompt that is too long goes to a model of a window that is not known", too_long)
            .windows([Some(1000), None])
            .alone(OVERFLOWS, 1, Mark::None)
            .with_other(Second, 1, Mark::None)
            .told("too long"),
        Fault::always("a prompt that is too long goes to a model of a larger window", too_long)
            .windows([Some(1000), Some(1001)])
            .alone(OVERFLOWS, 1, Mark::None)
            .with_other(Second, 1, Mark::None),
        Fault::always("a prompt that is too long does not go to a model of the same window", too_long)
            .windows([Some(1000), Some(1000)])
            .either_way(OVERFLOWS, 1, Mark::None),
        Fault::always("a request that is too large goes to a larger window alone", |wire| wire.error(413))
            .windows([Some(1000), Some(2000)])
            .alone(OVERFLOWS, 1, Mark::None)
            .with_other(Second, 1, Mark::None)
            .told("too large"),
        Fault::always("a request that is too large does not go to a smaller window", |wire| wire.error(413))
            .windows([Some(1000), Some(500)])
            .either_way(OVERFLOWS, 1, Mark::None),
        Fault::always("what the filter refuses is told as it is", |wire| {
            wire.refusal("content_filter", "Output blocked by content filtering policy")
        })
        .either_way(Fails(400, "invalid_request_error", "content_filter", &["content_filter"]), 1, Mark::None)
        .told("content filtering policy"),
    ];
    play(faults, "").await;
}
