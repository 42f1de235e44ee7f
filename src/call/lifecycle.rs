//! The life cycle of a call (requirement T1) as one table.

use crate::base::event::CallState::{
    self, AgentTransfer, Completed, Failed, InProgress, Initiated, NotPicked, Ready, Ringing,
};

/// May a call go from `from` to `to`?
pub const fn allowed(from: CallState, to: CallState) -> bool {
    matches!(
        (from, to),
        (Ready, Initiated | Failed)
            | (Initiated, Ringing | InProgress | Failed | NotPicked | Completed)
            | (Ringing, InProgress | Failed | NotPicked | Completed)
            | (InProgress, AgentTransfer | Completed | Failed)
            | (AgentTransfer, InProgress | Completed | Failed)
            | (Failed | NotPicked, Ready)
    )
}

/// Has the call ended, as far as this attempt goes?
pub const fn is_final(state: CallState) -> bool {
    matches!(state, Completed | Failed | NotPicked)
}

/// A change that the table does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call cannot go from {from:?} to {to:?}")]
pub struct IllegalChange {
    pub from: CallState,
    pub to: CallState,
}

/// The state of one call; changes only along the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifeCycle {
    state: CallState,
}

impl LifeCycle {
    pub const fn new() -> Self {
        Self { state: Ready }
    }

    pub const fn state(self) -> CallState {
        self.state
    }

    /// Moves on and returns where it was; the same state again is no change.
    pub fn go(&mut self, to: CallState) -> Result<Option<CallState>, IllegalChange> {
        if self.state == to {
            return Ok(None);
        }
        if !allowed(self.state, to) {
            return Err(IllegalChange { from: self.state, to });
        }
        Ok(Some(std::mem::replace(&mut self.state, to)))
    }
}

impl Default for LifeCycle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [CallState; 8] = [Ready, Initiated, Ringing, InProgress, AgentTransfer, Completed, Failed, NotPicked];

    #[test]
    fn the_table_holds_for_every_pair() {
        let mut drawn = String::new();
        for from in ALL {
            let to: Vec<String> = ALL.into_iter().filter(|to| allowed(from, *to)).map(|to| format!("{to:?}")).collect();
            drawn.push_str(&format!("{from:?} -> {}\n", to.join(" ")));
        }
        assert_eq!(
            drawn,
            "Ready -> Initiated Failed\n\
             Initiated -> Ringing InProgress Completed Failed NotPicked\n\
             Ringing -> InProgress Completed Failed NotPicked\n\
             InProgress -> AgentTransfer Completed Failed\n\
             AgentTransfer -> InProgress Completed Failed\n\
             Completed -> \n\
             Failed -> Ready\n\
             NotPicked -> Ready\n"
        );
    }

    #[test]
    fn an_illegal_change_is_refused_and_leaves_the_state() {
        let mut life = LifeCycle::new();
        assert_eq!(life.go(Initiated), Ok(Some(Ready)));
        assert_eq!(life.go(Initiated), Ok(None));
        assert_eq!(life.go(AgentTransfer), Err(IllegalChange { from: Initiated, to: AgentTransfer }));
        assert_eq!(life.state(), Initiated);
    }

    #[test]
    fn final_states_lead_at_most_back_to_ready() {
        for from in ALL.into_iter().filter(|s| is_final(*s)) {
            for to in ALL {
                assert!(!allowed(from, to) || to == Ready);
            }
        }
    }
}
