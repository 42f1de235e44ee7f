//! Hangup causes (Q.850 by FreeSWITCH's names) as what they mean for a call.

use crate::base::event::CallState;
use crate::telephony::dial::Refused;

/// How a channel that has ended stands.
pub fn state_of(cause: &str) -> CallState {
    match cause {
        "NORMAL_CLEARING" | "NORMAL_UNSPECIFIED" | "BLIND_TRANSFER" | "ATTENDED_TRANSFER" => CallState::Completed,
        _ => match refused(cause) {
            Refused::Busy | Refused::NoAnswer | Refused::Declined => CallState::NotPicked,
            _ => CallState::Failed,
        },
    }
}

/// Why somebody who was dialled did not answer.
pub fn refused(cause: &str) -> Refused {
    match cause {
        "USER_BUSY" => Refused::Busy,
        "NO_ANSWER"
        | "NO_USER_RESPONSE"
        | "ORIGINATOR_CANCEL"
        | "ALLOTTED_TIMEOUT"
        | "PROGRESS_TIMEOUT"
        | "SUBSCRIBER_ABSENT"
        | "USER_NOT_REGISTERED" => Refused::NoAnswer,
        "CALL_REJECTED" | "NORMAL_CLEARING" => Refused::Declined,
        "UNALLOCATED_NUMBER" | "NO_ROUTE_DESTINATION" | "INVALID_NUMBER_FORMAT" | "NUMBER_CHANGED" => {
            Refused::BadNumber
        }
        "OUTGOING_CALL_BARRED" | "INCOMING_CALL_BARRED" | "BEARERCAPABILITY_NOTAUTH" | "INCOMPATIBLE_DESTINATION" => {
            Refused::NotAllowed
        }
        "NORMAL_CIRCUIT_CONGESTION" | "SWITCH_CONGESTION" | "REQUESTED_CHAN_UNAVAIL" => {
            Refused::Throttled { after: None }
        }
        "GATEWAY_DOWN" | "INVALID_GATEWAY" | "RECOVERY_ON_TIMER_EXPIRE" | "NETWORK_OUT_OF_ORDER" => {
            Refused::Unreachable
        }
        _ => Refused::CarrierFault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telephony::dial::{Retry, Verdict};

    #[test]
    fn causes_mean_what_they_say() {
        for (cause, state, retry) in [
            ("NORMAL_CLEARING", CallState::Completed, Retry::Safe),
            ("USER_BUSY", CallState::NotPicked, Retry::Safe),
            ("NO_ANSWER", CallState::NotPicked, Retry::Safe),
            ("NO_USER_RESPONSE", CallState::NotPicked, Retry::Safe),
            ("CALL_REJECTED", CallState::NotPicked, Retry::Safe),
            ("UNALLOCATED_NUMBER", CallState::Failed, Retry::Pointless),
            ("ORIGINATOR_CANCEL", CallState::NotPicked, Retry::Safe),
            ("NORMAL_TEMPORARY_FAILURE", CallState::Failed, Retry::Safe),
            ("RECOVERY_ON_TIMER_EXPIRE", CallState::Failed, Retry::Safe),
            ("DESTINATION_OUT_OF_ORDER", CallState::Failed, Retry::Safe),
            ("INCOMPATIBLE_DESTINATION", CallState::Failed, Retry::Pointless),
            ("GATEWAY_DOWN", CallState::Failed, Retry::Safe),
            ("", CallState::Failed, Retry::Safe),
        ] {
            assert_eq!(state_of(cause), state, "{cause}");
            let verdict = Verdict::Refused { why: refused(cause), detail: String::new() };
            assert_eq!(verdict.retry(), retry, "{cause}");
        }
    }
}
