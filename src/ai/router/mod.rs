//! Who answers this stage of this turn.
