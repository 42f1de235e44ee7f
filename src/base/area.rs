//! Where in India a landline is, by its area code: the state, and in Kerala the district, where the
//! dialect hangs on it. Promise: an answer is right for the exchange the number was given out by.
//! Mobile numbers say nothing: they move between circles. From general knowledge of the numbering
//! plan, main exchanges only; a hint for choosing a language and an engine, never more.

use super::phone::Phone;

/// Area code without the trunk's zero, state, district (or empty). The longest that fits counts.
const AREAS: &[(&str, &str, &str)] = &[
    ("11", "Delhi", ""),
    ("120", "Uttar Pradesh", ""),
    ("121", "Uttar Pradesh", ""),
    ("124", "Haryana", ""),
    ("129", "Haryana", ""),
    ("130", "Haryana", ""),
    ("135", "Uttarakhand", ""),
    ("141", "Rajasthan", ""),
    ("144", "Rajasthan", ""),
    ("145", "Rajasthan", ""),
    ("151", "Rajasthan", ""),
    ("161", "Punjab", ""),
    ("164", "Punjab", ""),
    ("171", "Haryana", ""),
    ("172", "Chandigarh", ""),
    ("175", "Punjab", ""),
    ("177", "Himachal Pradesh", ""),
    ("181", "Punjab", ""),
    ("183", "Punjab", ""),
    ("184", "Haryana", ""),
    ("191", "Jammu and Kashmir", ""),
    ("194", "Jammu and Kashmir", ""),
    ("20", "Maharashtra", ""),
    ("22", "Maharashtra", ""),
    ("231", "Maharashtra", ""),
    ("233", "Maharashtra", ""),
    ("240", "Maharashtra", ""),
    ("241", "Maharashtra", ""),
    ("250", "Maharashtra", ""),
    ("251", "Maharashtra", ""),
    ("253", "Maharashtra", ""),
    ("260", "Gujarat", ""),
    ("261", "Gujarat", ""),
    ("265", "Gujarat", ""),
    ("268", "Gujarat", ""),
    ("278", "Gujarat", ""),
    ("281", "Gujarat", ""),
    ("288", "Gujarat", ""),
    ("291", "Rajasthan", ""),
    ("294", "Rajasthan", ""),
    ("33", "West Bengal", ""),
    ("341", "West Bengal", ""),
    ("342", "West Bengal", ""),
    ("343", "West Bengal", ""),
    ("353", "West Bengal", ""),
    ("361", "Assam", ""),
    ("364", "Meghalaya", ""),
    ("370", "Nagaland", ""),
    ("381", "Tripura", ""),
    ("385", "Manipur", ""),
    ("389", "Mizoram", ""),
    ("40", "Telangana", ""),
    ("413", "Puducherry", ""),
    ("416", "Tamil Nadu", ""),
    ("421", "Tamil Nadu", ""),
    ("422", "Tamil Nadu", ""),
    ("424", "Tamil Nadu", ""),
    ("427", "Tamil Nadu", ""),
    ("431", "Tamil Nadu", ""),
    ("44", "Tamil Nadu", ""),
    ("451", "Tamil Nadu", ""),
    ("452", "Tamil Nadu", ""),
    ("461", "Tamil Nadu", ""),
    ("462", "Tamil Nadu", ""),
    ("471", "Kerala", "Thiruvananthapuram"),
    ("474", "Kerala", "Kollam"),
    ("477", "Kerala", "Alappuzha"),
    ("480", "Kerala", "Thrissur"),
    ("481", "Kerala", "Kottayam"),
    ("483", "Kerala", "Malappuram"),
    ("484", "Kerala", "Ernakulam"),
    ("487", "Kerala", "Thrissur"),
    ("491", "Kerala", "Palakkad"),
    ("495", "Kerala", "Kozhikode"),
    ("497", "Kerala", "Kannur"),
    ("4936", "Kerala", "Wayanad"),
    ("4994", "Kerala", "Kasaragod"),
    ("512", "Uttar Pradesh", ""),
    ("522", "Uttar Pradesh", ""),
    ("532", "Uttar Pradesh", ""),
    ("542", "Uttar Pradesh", ""),
    ("551", "Uttar Pradesh", ""),
    ("562", "Uttar Pradesh", ""),
    ("581", "Uttar Pradesh", ""),
    ("612", "Bihar", ""),
    ("621", "Bihar", ""),
    ("631", "Bihar", ""),
    ("641", "Bihar", ""),
    ("651", "Jharkhand", ""),
    ("657", "Jharkhand", ""),
    ("661", "Odisha", ""),
    ("663", "Odisha", ""),
    ("671", "Odisha", ""),
    ("674", "Odisha", ""),
    ("680", "Odisha", ""),
    ("712", "Maharashtra", ""),
    ("721", "Maharashtra", ""),
    ("731", "Madhya Pradesh", ""),
    ("734", "Madhya Pradesh", ""),
    ("751", "Madhya Pradesh", ""),
    ("755", "Madhya Pradesh", ""),
    ("761", "Madhya Pradesh", ""),
    ("771", "Chhattisgarh", ""),
    ("788", "Chhattisgarh", ""),
    ("79", "Gujarat", ""),
    ("80", "Karnataka", ""),
    ("821", "Karnataka", ""),
    ("824", "Karnataka", ""),
    ("831", "Karnataka", ""),
    ("832", "Goa", ""),
    ("836", "Karnataka", ""),
    ("861", "Andhra Pradesh", ""),
    ("863", "Andhra Pradesh", ""),
    ("866", "Andhra Pradesh", ""),
    ("870", "Telangana", ""),
    ("877", "Andhra Pradesh", ""),
    ("878", "Telangana", ""),
    ("884", "Andhra Pradesh", ""),
    ("891", "Andhra Pradesh", ""),
];

/// Where a landline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    pub state: &'static str,
    /// Empty where the table does not go so far.
    pub district: &'static str,
}

impl Area {
    /// `None` for mobiles, foreign numbers and exchanges that are not in the table.
    pub fn of(phone: &Phone) -> Option<Self> {
        let national = phone.reveal().strip_prefix("+91").filter(|n| n.len() == 10)?;
        if is_mobile(national) {
            return None;
        }
        let fits = AREAS.iter().filter(|(code, ..)| national.starts_with(code));
        fits.max_by_key(|(code, ..)| code.len()).map(|(_, state, district)| Self { state, district })
    }
}

/// Mobile numbers begin with 6 to 9, and so do some area codes; behind those the subscriber's number
/// begins with 2 to 5, as landlines do.
fn is_mobile(national: &str) -> bool {
    let landline = AREAS.iter().any(|(code, ..)| {
        national
            .strip_prefix(code)
            .and_then(|rest| rest.bytes().next())
            .is_some_and(|first| (b'2'..=b'5').contains(&first))
    });
    national.starts_with(['6', '7', '8', '9']) && !landline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn landlines_tell_their_state_and_mobiles_nothing() {
        let cases = [
            ("+914712345678", Some(("Kerala", "Thiruvananthapuram"))),
            ("+914952345678", Some(("Kerala", "Kozhikode"))),
            ("+914936234567", Some(("Kerala", "Wayanad"))),
            ("+911123456789", Some(("Delhi", ""))),
            ("+918022345678", Some(("Karnataka", ""))),
            ("+916742345678", Some(("Odisha", ""))),
            ("+919876543210", None),
            ("+916799999999", None),
            ("+914690000000", None),
            ("+14155550100", None),
            ("+9147123", None),
        ];
        for (number, expected) in cases {
            let phone: Phone = number.parse().unwrap_or_else(|_| "+4400000000".parse().unwrap());
            assert_eq!(Area::of(&phone).map(|a| (a.state, a.district)), expected, "{number}");
        }
    }

    #[test]
    fn the_table_is_sorted_by_nobody_but_names_no_code_twice() {
        let mut codes: Vec<_> = AREAS.iter().map(|(code, ..)| code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), AREAS.len());
        assert!(codes.iter().all(|c| (2..=4).contains(&c.len()) && c.bytes().all(|b| b.is_ascii_digit())));
    }
}
