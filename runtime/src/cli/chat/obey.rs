//! What the commands of a conversation do.

use std::path::PathBuf;

use super::{
    command::{Command, HELP, meant},
    conversation::Conversation,
    image,
    names::{Known, known, listing},
    spent::Spent,
};
use crate::cli::{Exit, Failure, attach::Talk, notes, output::Output};

impl Conversation<'_> {
    /// Does what a command says. The exit of the program, if that was it.
    pub(super) async fn obey(&mut self, command: Command<'_>) -> Result<Option<Exit>, Failure> {
        match command {
            Command::Exit => return Ok(Some(Exit::Done)),
            Command::Help => Output::new().text(HELP)?,
            Command::Reset => self.reset().await?,
            Command::Model(Some(name)) => self.ask_of(name).await?,
            Command::Model(None) => self.list_models().await?,
            Command::System(Some(text)) => {
                self.be_there().await?;
                self.talk.update(None, Some(text)).await?;
                self.opening.system = Some(text.to_owned());
                self.remember().await;
                notes::note("the instructions are followed from now on");
            }
            Command::System(None) => {
                self.be_there().await?;
                let system = self.talk.info().await?.system;
                notes::note(system.as_deref().unwrap_or("there are no instructions"));
            }
            Command::Image(Some(file)) => {
                let picture = image::load(&file_named(file, self.context.environment.text("HOME")))?;
                self.opening.images.push(picture);
                notes::note(match self.opening.images.len() {
                    1 => "the picture goes with the next message",
                    _ => "the pictures go with the next message",
                });
            }
            Command::Image(None) => {
                return Err(Failure::usage("no picture is named", "say which: /image FILE (png, jpeg, gif or webp)"));
            }
            Command::Session(Some(id)) => self.move_to(id).await?,
            Command::Session(None) => match &self.opening.session {
                Some(id) => notes::note(&format!("this conversation is kept as {id}")),
                None => notes::note("this conversation is not kept; /session ID goes on in one that is"),
            },
            Command::Usage => {
                self.be_there().await?;
                Output::new().text(&Spent::of(&self.talk.export().await?).told())?;
            }
            Command::Unknown(name) => {
                return Err(Failure::usage(format!("there is no command {name}"), meant(name)));
            }
        }
        Ok(None)
    }

    async fn reset(&mut self) -> Result<(), Failure> {
        if let Some(id) = &self.opening.session {
            return Err(Failure::usage(
                format!("this conversation is kept as {id}"),
                "/session ID goes on in another one; `greenroom sessions remove` forgets",
            ));
        }
        self.talk = self.opening.talk(self.link).await?;
        self.so_far = None;
        notes::note("a new conversation begins");
        Ok(())
    }

    async fn ask_of(&mut self, name: &str) -> Result<(), Failure> {
        self.be_there().await?;
        match known(&listing(self.link).await?, name) {
            Known::Listed => {}
            Known::Unlisted(why) => notes::note(&why),
            Known::Unknown(hint) => return Err(Failure::usage(format!("there is no model \"{name}\""), hint)),
        }
        self.talk.update(Some(name), None).await?;
        self.opening.model = Some(name.to_owned());
        self.answered_by = None;
        self.remember().await;
        notes::note(&format!("{name} answers from now on"));
        Ok(())
    }

    async fn list_models(&mut self) -> Result<(), Failure> {
        self.be_there().await?;
        let chosen = match self.talk.info().await?.summary.model {
            Some(model) => Some(model),
            None => self.link.default_model().await.or_else(|| self.answered_by.clone()),
        };
        let listing = listing(self.link).await?;
        let is_chosen = |names: &[&str]| chosen.as_deref().is_some_and(|chosen| names.contains(&chosen));
        let mark = |is_chosen: bool| if is_chosen { '*' } else { ' ' };
        let mut text = String::new();
        let mut is_listed = false;
        for model in &listing.models {
            let name = format!("{}/{}", model.provider, model.id);
            let is_it = is_chosen(&[&name, &model.id]);
            is_listed |= is_it;
            text.push_str(&format!("{} {name}\n", mark(is_it)));
        }
        for alias in &listing.aliases {
            let is_it = is_chosen(&[alias]);
            is_listed |= is_it;
            text.push_str(&format!("{} {alias} (alias)\n", mark(is_it)));
        }
        Output::new().text(&text)?;
        for failed in &listing.failed {
            notes::warning(&format!("{} does not list its models: {}", failed.provider, failed.message));
        }
        match chosen {
            Some(chosen) if !is_listed => notes::note(&format!("{chosen} answers, which is in no list")),
            Some(_) => {}
            None => notes::note("none is chosen: the default model of whoever answers does"),
        }
        Ok(())
    }

    /// Goes on in a conversation that is kept, begun if there is none.
    async fn move_to(&mut self, id: &str) -> Result<(), Failure> {
        if !self.link.keeps().await {
            return Err(Failure::usage(
                "no conversation is kept here",
                "leave, and begin with `greenroom chat --session ID`",
            ));
        }
        let talk = Talk::durable(self.link, id, None, None).await?;
        let info = talk.info().await?;
        let is_other = self.opening.session.as_deref() != Some(id);
        if is_other && self.so_far.take().is_some() {
            notes::note("what was said before is not kept");
        }
        self.talk = talk;
        self.answered_by = None;
        self.opening.session = Some(id.to_owned());
        (self.opening.model, self.opening.system) = (info.summary.model, info.system);
        notes::note(&match info.summary.touched == info.summary.created {
            true => format!("a conversation begins that is kept as {id}"),
            false => format!("going on with {id}"),
        });
        Ok(())
    }
}

/// The file that a person names, perhaps as Tab completed it: with `~`, in quotes, or with backslashes.
fn file_named(typed: &str, home: Option<&str>) -> PathBuf {
    let words = shell_words::split(typed).ok().filter(|words| words.len() == 1);
    let is_there = PathBuf::from(typed).exists();
    let name = match words {
        Some(mut words) if !is_there => words.remove(0),
        _ => typed.to_owned(),
    };
    match (name.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(name),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::file_named;

    #[test]
    fn files_are_named_as_in_a_shell() {
        let named = |typed| file_named(typed, Some("/home/ada"));
        assert_eq!(named("~/a.png"), Path::new("/home/ada/a.png"));
        assert_eq!(named("'a b.png'"), Path::new("a b.png"));
        assert_eq!(named(r"a\ b.png"), Path::new("a b.png"));
        assert_eq!(named("a b.png"), Path::new("a b.png"));
        assert_eq!(named("it's.png"), Path::new("it's.png"));
    }
}
