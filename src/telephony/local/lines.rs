//! Calls of handsets, and who may carry one on whose socket broke: the handset that shows what it was given
//! when the call began.
//! Promise: a call has one handset at a time, is carried on `LOCAL_RESUMES_MAX` times at most, and is forgotten
//! when it is over or has waited for long enough.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{CallId, limits};

/// The socket before may be found broken a moment after the handset's.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS: u128 = limits::RESUME_ASK_WITHIN.as_millis() / LOOK_EVERY.as_millis();

/// Cheap to clone; one for the socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Mutex<HashMap<String, Known>>>);

#[derive(Debug)]
struct Known {
    call: CallId,
    proof: Secret,
    /// A handset is on the line.
    live: bool,
    /// How often the call was carried on.
    resumes: u32,
}

/// One handset's place at a call.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) call: CallId,
    name: String,
    /// Which of the call's lines it is.
    number: u32,
}

impl Lines {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins; gives the line, and what its handset has to show to carry it on.
    pub(super) fn begin(&self, name: &str, call: CallId) -> io::Result<(Line, Secret)> {
        let proof = Secret::random()?;
        let known = Known { call, proof: proof.clone(), live: true, resumes: 0 };
        self.known().insert(name.to_owned(), known);
        Ok((Line { call, name: name.to_owned(), number: 0 }, proof))
    }

    /// The call of that name is to be carried on. `None`: there is none, and one may begin. The error is for the
    /// handset.
    pub(super) async fn carry_on(&self, name: &str, proof: Option<&str>) -> Result<Option<Line>, &'static str> {
        for look in 0..=LOOKS {
            if look > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let mut all = self.known();
            let Some(known) = all.get_mut(name) else {
                return if proof.is_some() { Err("this call is over") } else { Ok(None) };
            };
            if !proof.is_some_and(|proof| known.proof.matches(proof)) {
                return Err("there is a call of that name already, and this is not its handset");
            }
            if known.resumes >= limits::LOCAL_RESUMES_MAX {
                return Err("the line of this call broke too often");
            }
            if !known.live {
                known.live = true;
                known.resumes += 1;
                return Ok(Some(Line { call: known.call, name: name.to_owned(), number: known.resumes }));
            }
        }
        Err("this call has its handset")
    }

    /// A line is over. `waits`: its call may be carried on.
    pub(super) fn ended(&self, line: Line, waits: bool, tasks: &Scope) {
        let forget = |all: &mut HashMap<String, Known>, line: &Line| {
            if all.get(&line.name).is_some_and(|known| known.resumes == line.number) {
                all.remove(&line.name);
            }
        };
        let mut all = self.known();
        if !waits {
            return forget(&mut all, &line);
        }
        if let Some(known) = all.get_mut(&line.name).filter(|known| known.resumes == line.number) {
            known.live = false;
        }
        drop(all);
        let (lines, scope) = (self.clone(), tasks.clone());
        tasks.spawn("a handset's call waits", async move {
            tokio::select! {
                () = tokio::time::sleep(limits::RESUME_WITHIN) => forget(&mut lines.known(), &line),
                () = scope.stopped() => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_handset_at_a_time_and_only_with_its_proof() {
        let (lines, tasks, call) = (Lines::default(), Scope::new(), CallId::new());
        assert!(lines.carry_on("a", None).await.unwrap().is_none(), "nobody knows it: a call may begin");
        assert_eq!(lines.carry_on("a", Some("x")).await.unwrap_err(), "this call is over");
        let (line, proof) = lines.begin("a", call).unwrap();
        let shown = Some(proof.expose());
        for wrong in [None, Some(""), Some("x"), Some(&proof.expose()[1..])] {
            assert!(lines.carry_on("a", wrong).await.unwrap_err().contains("not its handset"), "{wrong:?}");
        }
        assert_eq!(lines.carry_on("a", shown).await.unwrap_err(), "this call has its handset");

        lines.ended(line, true, &tasks);
        let second = lines.carry_on("a", shown).await.unwrap().unwrap();
        assert_eq!(second.call, call);
        assert_eq!(lines.carry_on("a", shown).await.unwrap_err(), "this call has its handset");
        // It was carried on: the wait of the line before is none any more.
        tokio::time::sleep(2 * limits::RESUME_WITHIN).await;
        assert_eq!(lines.known().len(), 1);
        lines.ended(second, true, &tasks);
        tokio::time::sleep(2 * limits::RESUME_WITHIN).await;
        assert_eq!(lines.carry_on("a", shown).await.unwrap_err(), "this call is over");
        assert!(lines.known().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_keeps_breaking_is_given_up() {
        let (lines, tasks) = (Lines::default(), Scope::new());
        let (mut line, proof) = lines.begin("a", CallId::new()).unwrap();
        for _ in 0..limits::LOCAL_RESUMES_MAX {
            lines.ended(line, true, &tasks);
            line = lines.carry_on("a", Some(proof.expose())).await.unwrap().unwrap();
        }
        lines.ended(line, true, &tasks);
        assert!(lines.carry_on("a", Some(proof.expose())).await.unwrap_err().contains("too often"));
    }
}
