use std::collections::VecDeque;

use super::*;

const MODEL: &str = "m";
const STEP: Duration = Duration::from_millis(1);

fn asks(prompt: u32, answer: u32) -> Estimate {
    Estimate { prompt, answer }
}

fn says(limit: u64, remaining: u64, resets_in: Duration) -> Allowance {
    Allowance { limit: Some(limit), remaining, resets_in: Some(resets_in) }
}

fn of_requests(allowance: Allowance) -> RateLimits {
    RateLimits { requests: Some(allowance), ..RateLimits::default() }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What one request was told, when nothing else is on its way.
fn after(allowance: RateLimits, now: Instant) -> Paces {
    let mut paces = Paces::new(1);
    let ticket = paces.take(0, MODEL, asks(10, 10), now);
    paces.handle_told(0, MODEL, &ticket, true, &allowance, now);
    paces.handle_end(0, MODEL, &ticket, true, true);
    paces
}

/// How a provider counts.
#[derive(Clone, Copy)]
enum Counts {
    /// A window from a reset to the next.
    Windows,
    /// A bucket that refills evenly, and is whole when nothing is used.
    Bucket,
}

/// A provider that refuses whatever is over its limit.
struct Strict {
    counts: Counts,
    limit: f64,
    window: Duration,
    left: f64,
    at: Instant,
}

impl Strict {
    fn ask(&mut self, cost: f64, now: Instant) -> (bool, Allowance) {
        match self.counts {
            Counts::Windows => {
                while now >= self.at + self.window {
                    self.at += self.window;
                    self.left = self.limit;
                }
            }
            Counts::Bucket => {
                let refilled = (now - self.at).as_secs_f64() / self.window.as_secs_f64() * self.limit;
                self.left = (self.left + refilled).min(self.limit);
                self.at = now;
            }
        }
        let granted = cost <= self.left;
        self.left -= if granted { cost } else { 0.0 };
        let resets_in = match self.counts {
            Counts::Windows => self.at + self.window - now,
            Counts::Bucket => self.window.mul_f64(1.0 - self.left / self.limit),
        };
        (granted, says(self.limit as u64, self.left as u64, resets_in))
    }
}

/// What clients that always want more got of it in so many windows, and in which window they were refused.
fn driven(counts: Counts, cost: u32, limit: u32, windows: u32, latency: [u64; 2]) -> (Vec<u32>, Vec<u32>) {
    let (begin, window) = (Instant::now(), seconds(3));
    let mut strict = Strict { counts, limit: limit.into(), window, left: limit.into(), at: begin };
    let mut paces = Paces::new(1);
    let (mut there, mut back) = (VecDeque::new(), VecDeque::new());
    let (mut granted, mut refused) = (vec![0; windows as usize], vec![0; windows as usize]);
    let (mut now, mut spread, mut out) = (begin, 0u64, 0);
    let tokens = cost > 1;
    while now < begin + window * windows {
        let at = ((now - begin).as_millis() / window.as_millis()) as usize;
        while out < 100 && paces.wait(0, MODEL, asks(cost, 0), now).is_none() {
            // Each takes another time, there and back.
            spread = (spread * 31 + 17) % 97;
            let ticket = paces.take(0, MODEL, asks(cost, 0), now);
            there.push_back((now + Duration::from_millis(latency[0] + spread % (latency[1] + 1)), ticket));
            out += 1;
        }
        for _ in 0..there.len() {
            let (arrives, ticket) = there.pop_front().unwrap();
            if now < arrives {
                there.push_back((arrives, ticket));
                continue;
            }
            let (is_granted, allowance) = strict.ask(cost.into(), now);
            *(if is_granted { &mut granted } else { &mut refused }).get_mut(at).unwrap() += cost;
            spread = (spread * 31 + 17) % 97;
            back.push_back((now + Duration::from_millis(latency[0] + spread % (latency[1] + 1)), ticket, allowance));
        }
        for _ in 0..back.len() {
            let (arrives, ticket, allowance) = back.pop_front().unwrap();
            if now < arrives {
                back.push_back((arrives, ticket, allowance));
                continue;
            }
            let limits = if tokens {
                RateLimits { tokens: Some(allowance), ..RateLimits::default() }
            } else {
                of_requests(allowance)
            };
            paces.handle_told(0, MODEL, &ticket, true, &limits, now);
            paces.handle_end(0, MODEL, &ticket, true, true);
            out -= 1;
        }
        now += STEP;
    }
    (granted, refused)
}

#[test]
fn a_strict_limit_is_used_up_and_not_run_into() {
    for (counts, name) in [(Counts::Windows, "windows"), (Counts::Bucket, "a bucket")] {
        for (cost, limit) in [(1, 60), (1, 600), (20, 1200)] {
            for latency in [[1, 0], [5, 20], [40, 90]] {
                let (granted, refused) = driven(counts, cost, limit, 12, latency);
                let what = format!("{name} of {limit} by {cost}, {latency:?} ms: {granted:?}, refused {refused:?}");
                assert_eq!(refused[1..].iter().sum::<u32>(), 0, "{what}");
                assert!(granted[2..].iter().sum::<u32>() * 100 >= 10 * limit * 95, "{what}");
            }
        }
    }
}

#[test]
fn nobody_waits_while_more_than_half_is_left() {
    let now = Instant::now();
    let mut paces = after(of_requests(says(50, 49, seconds(60))), now);
    for _ in 0..24 {
        assert_eq!(paces.wait(0, MODEL, asks(1, 1), now), None);
        paces.take(0, MODEL, asks(1, 1), now);
    }
    assert_eq!(paces.wait(0, "other", asks(1, 1), now), None, "another model is another limit");
    let wait = paces.wait(0, MODEL, asks(1, 1), now).expect("the other half is spread");
    assert!(wait > seconds(1) && wait < seconds(4), "{wait:?}");
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), now + wait), None);
}

#[test]
fn when_nothing_is_left_the_reset_is_waited_for_and_no_longer_than_a_minute() {
    let now = Instant::now();
    let mut paces = after(of_requests(says(50, 0, seconds(7))), now);
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), now), Some(seconds(7)));
    assert_eq!(paces.held(0, now), Some(seconds(7)));
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), now + seconds(7)), None);
    assert_eq!(paces.held(0, now + seconds(7)), None);

    let mut paces = after(of_requests(says(200, 0, seconds(6 * 3600))), now);
    let later = now + LONGEST;
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), now), Some(LONGEST));
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), later), None, "one looks whether that still holds");
    paces.take(0, MODEL, asks(1, 1), later);
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), later), Some(LONGEST), "and the others wait for what it hears");
    let mut paces = after(of_requests(says(200, 3, seconds(6 * 3600))), now);
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), now), None, "a day's limit is not spread over the day");
}

#[test]
fn tokens_that_would_not_cover_a_request_make_it_wait() {
    let now = Instant::now();
    let limits = RateLimits { tokens: Some(says(1000, 600, seconds(9))), ..RateLimits::default() };
    let mut paces = after(limits, now);
    assert_eq!(paces.wait(0, MODEL, asks(300, 300), now), None);
    assert_eq!(paces.wait(0, MODEL, asks(300, 301), now), Some(seconds(9)));
    assert_eq!(paces.wait(0, MODEL, asks(5000, 5000), now + seconds(9)), None, "what is larger waits for a whole one");
    let limits = RateLimits { output_tokens: Some(says(1000, 600, seconds(9))), ..RateLimits::default() };
    let mut paces = after(limits, now);
    assert_eq!(paces.wait(0, MODEL, asks(5000, 600), now), None, "prompts are not answers");
    assert_eq!(paces.wait(0, MODEL, asks(0, 601), now), Some(seconds(9)));
    let priority = RateLimits { priority_input_tokens: Some(says(9, 0, seconds(9))), ..RateLimits::default() };
    assert_eq!(after(priority, now).wait(0, MODEL, asks(1, 1), now), None, "what is beyond it falls to the others");
}

#[test]
fn what_is_on_its_way_counts_as_used() {
    let now = Instant::now();
    let mut paces = Paces::new(1);
    let tickets: Vec<Ticket> = (0..10).map(|_| paces.take(0, MODEL, asks(1, 1), now)).collect();
    // The first was answered when none of the other nine may have been there.
    paces.handle_told(0, MODEL, &tickets[0], true, &of_requests(says(10, 9, seconds(5))), now);
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), now), Some(seconds(5)));
    // One that never went out gives its place back.
    paces.handle_end(0, MODEL, &tickets[9], false, false);
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), now), None);
}

#[test]
fn what_says_nothing_is_not_kept() {
    let now = Instant::now();
    let mut paces = Paces::new(1);
    for model in 0..100 {
        let ticket = paces.take(0, &model.to_string(), asks(1, 1), now);
        paces.handle_end(0, &model.to_string(), &ticket, false, true);
    }
    assert!(paces.profiles[0].is_empty());
}

/// How many more go out at once.
fn more(paces: &mut Paces, now: Instant) -> usize {
    let mut more = 0;
    while paces.wait(0, MODEL, asks(1, 1), now).is_none() {
        paces.take(0, MODEL, asks(1, 1), now);
        more += 1;
    }
    more
}

#[test]
fn what_is_on_its_way_over_a_reset_is_counted_until_it_is_known_to_have_been_before() {
    let now = Instant::now();
    for known in 0..=3 {
        let mut paces = after(of_requests(says(10, 9, seconds(5))), now);
        let tickets = [(); 3].map(|()| paces.take(0, MODEL, asks(1, 1), now));
        let later = now + seconds(5);
        assert_eq!(paces.wait(0, MODEL, asks(1, 1), later), None);
        for ticket in &tickets[..known] {
            paces.handle_told(0, MODEL, ticket, true, &of_requests(says(10, 6, seconds(1))), later);
        }
        assert_eq!(more(&mut paces, later), 2 + known, "five of ten before they are spread, less three that may come");
    }
}

#[test]
fn what_is_said_of_a_window_that_is_over_is_not_heard() {
    let (now, millisecond) = (Instant::now(), Duration::from_millis(1));
    let mut paces = after(of_requests(says(10, 9, seconds(5))), now);
    let ticket = paces.take(0, MODEL, asks(1, 1), now + seconds(4));
    let later = now + seconds(5) + millisecond;
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), later), None);
    paces.handle_told(0, MODEL, &ticket, true, &of_requests(says(10, 0, 10 * millisecond)), later);
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), later), None, "the request was counted before the reset");
    let ticket = paces.take(0, MODEL, asks(1, 1), later);
    paces.handle_told(0, MODEL, &ticket, true, &of_requests(says(10, 0, seconds(4))), later);
    assert_eq!(paces.wait(0, MODEL, asks(1, 1), later), Some(seconds(4)), "another used up what is left");
}
