//! Is there a world outside the box?

use super::finding::Finding;

pub(super) fn check(offline: bool) -> Finding {
    if offline {
        return Finding::warning(
            "offline",
            "nothing outside the box can be reached; calls go on with the box's own engines",
            "look at the cable, the router and the name server; the box notices by itself when they work again",
        );
    }
    Finding::fine("offline", "the outside can be reached")
}
