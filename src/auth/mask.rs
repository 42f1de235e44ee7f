//! What a principal sees of a person. Promise: who lacks `PersonalRead` sees no number and no name in
//! full, whatever room asks.

use super::principal::Principal;
use super::role::Permission;
use crate::base::mask;
use crate::base::phone::Phone;

/// The number in full, or `+91••••••4321`.
pub fn phone_for(who: &Principal, phone: &Phone) -> String {
    if who.may(Permission::PersonalRead) { phone.reveal().to_owned() } else { phone.to_string() }
}

/// The name in full, or its first letters.
pub fn name_for(who: &Principal, name: &str) -> String {
    if who.may(Permission::PersonalRead) { name.to_owned() } else { mask::name(name) }
}

/// A free text (what was said, a comment) as it is, or with numbers and addresses masked.
pub fn text_for(who: &Principal, text: &str) -> String {
    if who.may(Permission::PersonalRead) { text.to_owned() } else { mask::text(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Kind, Role};

    #[test]
    fn every_role_sees_what_the_table_says() {
        let phone: Phone = "+919876543210".parse().unwrap();
        for role in Role::ALL {
            let who = Principal::new(Kind::Nobody, "x", role, None);
            let all = role.may(Permission::PersonalRead);
            assert_eq!(phone_for(&who, &phone) == "+919876543210", all, "{role}");
            assert_eq!(name_for(&who, "Ravi Kumar") == "Ravi Kumar", all, "{role}");
            assert_eq!(text_for(&who, "ring 9876543210").contains("98765"), all, "{role}");
        }
        let mut key = Principal::the_box("test");
        key.scopes = Some(vec![Permission::CallsRead]);
        assert_eq!(phone_for(&key, &phone), "+91••••••3210", "scopes take away");
    }
}
