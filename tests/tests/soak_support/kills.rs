//! Daemons on one data directory, one after the other, each killed at some moment while many write and read.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use greenroom_tests::harness::{Daemon, Home, Signal};
use tokio::{sync::watch, task::JoinSet};

use super::{
    Chance, LIMIT, Place,
    frontend::{Course, Figures, Frontend, Manner, read_whole},
    log::{Seen, Together},
    writer::{Acks, Writer, check},
};

/// Sessions that are used at once.
const SESSIONS: usize = 4;
const WRITERS: usize = 2;
/// A kill comes after at most so many events, or so long.
const EVENTS: u64 = 2500;
const LONGEST: Duration = Duration::from_millis(1500);

/// What is counted over all rounds.
#[derive(Debug, Default)]
pub struct Counted {
    pub figures: Arc<Figures>,
    pub numbers: Arc<AtomicU64>,
    pub repeated: Arc<AtomicU64>,
    pub epochs: u64,
}

/// A session, its readers and writers, and what they are held against.
struct Played {
    id: String,
    together: Arc<Together>,
    acks: Arc<Acks>,
}

/// Sessions that are used together until all that was said is answered.
pub struct Generation<'a> {
    home: &'a Home,
    counted: &'a Counted,
    chance: Chance,
    course: watch::Sender<Course>,
    played: Vec<Played>,
    writers: JoinSet<()>,
    frontends: JoinSet<Frontend>,
}

impl<'a> Generation<'a> {
    /// Makes sessions of these names.
    pub async fn begin(home: &'a Home, counted: &'a Counted, name: &str, mut chance: Chance) -> Self {
        let daemon = home.serve(&[]).await;
        let place = Place::of(&daemon);
        let (course, _) = watch::channel(Course::default());
        let (mut writers, mut frontends, mut played) = (JoinSet::new(), JoinSet::new(), Vec::new());
        for session in 0..SESSIONS {
            let id = format!("{name}-{session}");
            place.create(&id).await;
            let (together, acks) = (Arc::<Together>::default(), Arc::<Acks>::default());
            for writer in 0..WRITERS {
                let writer = Writer {
                    session: id.clone(),
                    name: format!("{id}-{writer}"),
                    acks: Arc::clone(&acks),
                    numbers: Arc::clone(&counted.numbers),
                    repeated: Arc::clone(&counted.repeated),
                    figures: Arc::clone(&counted.figures),
                    chance: chance.split(),
                };
                writers.spawn(writer.run(course.subscribe()));
            }
            for manner in Manner::ALL {
                let frontend = Frontend::new(&id, manner, &together, &counted.figures, chance.split());
                frontends.spawn(frontend.run(course.subscribe()));
            }
            played.push(Played { id, together, acks });
        }
        kill(daemon).await;
        Self { home, counted, chance, course, played, writers, frontends }
    }

    /// Starts a daemon, kills it at some moment, and holds what the next one has against what this one said to have.
    pub async fn round(&mut self) {
        let daemon = self.home.serve(&[]).await;
        let place = Some(Place::of(&daemon));
        let mut events = self.counted.figures.events.subscribe();
        let until = *events.borrow_and_update() + self.chance.below(EVENTS);
        // Now and then before anybody has come, while what the one before left is taken up.
        if !self.chance.one_in(8) {
            self.course.send_modify(|course| (course.place, course.lives) = (place, true));
            let _slow = tokio::time::timeout(LONGEST, events.wait_for(|events| *events >= until)).await;
        }
        self.course.send_modify(|course| course.lives = false);
        kill(daemon).await;
        self.fail_early().await;
        let acks: Vec<_> = self.played.iter().map(|played| played.acks.all()).collect();
        // With nobody there but turns that go on from where they were.
        let daemon = self.home.serve(&[]).await;
        let place = Place::of(&daemon);
        for (played, acks) in self.played.iter().zip(acks) {
            let read = read_whole(&place, &played.id, &played.together, None).await;
            check(&acks, &read.told, &played.id);
        }
        kill(daemon).await;
    }

    /// Has everything answered, and holds everybody against the log. Gives what each session has in the end.
    pub async fn end(mut self) -> Vec<(String, u64, Seen)> {
        let daemon = self.home.serve(&[]).await;
        let place = Place::of(&daemon);
        // The writers go first: how much there is to be read is known when they are done.
        self.course.send_modify(|course| {
            *course = Course { place: Some(place.clone()), lives: true, turns: Some(Arc::default()) };
        });
        while let Some(done) = self.writers.join_next().await {
            done.unwrap();
        }
        let turns = |played: &Played| (played.id.clone(), played.acks.all().len() as u64);
        let turns: Arc<HashMap<String, u64>> = Arc::new(self.played.iter().map(turns).collect());
        self.course.send_modify(|course| course.turns = Some(Arc::clone(&turns)));
        let mut ended = Vec::new();
        for played in &self.played {
            let whole = read_whole(&place, &played.id, &played.together, Some(turns[&played.id])).await;
            let acks = played.acks.all();
            check(&acks, &whole.told, &played.id);
            assert_eq!(whole.told.messages.len(), acks.len(), "{}: nothing else was said", played.id);
            whole.told.check(&played.id);
            ended.push((played.id.clone(), turns[&played.id], whole.seen));
        }
        let all = async {
            while let Some(done) = self.frontends.join_next().await {
                let frontend = done.unwrap();
                let (.., whole) = ended.iter().find(|(id, ..)| *id == frontend.session).unwrap();
                assert!(frontend.seen == *whole, "{} as {:?} reads it", frontend.session, frontend.manner);
            }
        };
        tokio::time::timeout(LIMIT, all).await.expect("every frontend comes to the end");
        kill(daemon).await;
        ended
    }

    /// Fails with a reader's or a writer's own words, if one has failed.
    async fn fail_early(&mut self) {
        while let Some(failed) = self.writers.try_join_next() {
            failed.unwrap();
        }
        while let Some(failed) = self.frontends.try_join_next() {
            failed.map(|frontend| panic!("{} is done too early", frontend.session)).unwrap()
        }
    }
}

impl Counted {
    pub fn messages(&self) -> u64 {
        self.numbers.load(SeqCst)
    }
}

pub async fn kill(mut daemon: Daemon) {
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
}
