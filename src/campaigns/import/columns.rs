//! The names that columns have in lists of other systems, and what they mean here.

use std::collections::BTreeMap;

use super::Unreadable;
use crate::base::limits;

/// What a column can mean. `name()` is its name in our own export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Name,
    Phone,
    State,
    District,
    Language,
    LoanId,
    LoanType,
    Amount,
    Outstanding,
    DueDate,
    ExternalId,
    Owner,
    Pool,
    Priority,
    CallbackAt,
    NextAction,
    Comments,
    /// Columns of our own export that a list cannot set: ids, states and times of the box.
    Ours,
}

/// Squeezed: letters and digits only, in lower case.
const NAMES: &[(Field, &str, &[&str])] = &[
    (
        Field::Name,
        "name",
        &[
            "customername",
            "fullname",
            "borrowername",
            "borrower",
            "customer",
            "leadname",
            "contactname",
            "clientname",
            "नाम",
        ],
    ),
    (
        Field::Phone,
        "phone_number",
        &[
            "phone",
            "phoneno",
            "mobile",
            "mobilenumber",
            "mobileno",
            "mob",
            "contact",
            "contactnumber",
            "contactno",
            "cell",
            "cellphone",
            "telephone",
            "tel",
            "msisdn",
            "phone1",
            "primaryphone",
            "whatsappnumber",
            "फोन",
            "मोबाइल",
        ],
    ),
    (Field::State, "state", &["statename", "region", "province", "राज्य"]),
    (Field::District, "district", &["city", "districtname", "जिला"]),
    (Field::Language, "language_code", &["language", "lang", "preferredlanguage", "languagepreference", "भाषा"]),
    (
        Field::LoanId,
        "loan_id",
        &[
            "loanno",
            "loannumber",
            "loanaccount",
            "loanaccountnumber",
            "loanaccountno",
            "lan",
            "accountnumber",
            "accountno",
        ],
    ),
    (Field::LoanType, "loan_type", &["product", "loanproduct", "producttype"]),
    (
        Field::Amount,
        "amount",
        &[
            "emi",
            "emiamount",
            "amountdue",
            "dueamount",
            "overdueamount",
            "installment",
            "instalment",
            "loanamount",
            "amountinr",
            "राशि",
        ],
    ),
    (Field::Outstanding, "outstanding", &["outstandingamount", "totaloutstanding", "balance", "pos"]),
    (Field::DueDate, "due_date", &["emiduedate", "emidate", "paymentduedate", "due", "duedt", "nextduedate"]),
    (
        Field::ExternalId,
        "external_id",
        &["customerid", "custid", "leadid", "crmid", "referenceid", "reference", "ref", "externalref"],
    ),
    (Field::Owner, "owner", &["leadowner", "assignedto", "assignee", "agentname"]),
    (Field::Pool, "pool", &["assignment", "assignedpool", "queue"]),
    (Field::Priority, "priority", &["prio"]),
    (
        Field::CallbackAt,
        "callback_at",
        &["callback", "callbacktime", "callbackdate", "callbackdatetime", "callbackwindow"],
    ),
    (Field::NextAction, "next_action", &["nextstep", "followup"]),
    (Field::Comments, "comments", &["comment", "remarks", "remark", "notes", "note", "quickcomments"]),
    (
        Field::Ours,
        "id",
        &[
            "callstatus",
            "status",
            "version",
            "createdat",
            "updatedat",
            "lastcallid",
            "lastcallat",
            "uploadid",
            "masked",
        ],
    ),
];

impl Field {
    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(field, ..)| *field == self).map_or("", |(_, name, _)| name)
    }

    fn of(header: &str) -> Option<Self> {
        let wanted = squeezed(header);
        NAMES
            .iter()
            .find(|(_, name, more)| squeezed(name) == wanted || more.contains(&wanted.as_str()))
            .map(|(field, ..)| *field)
    }
}

fn squeezed(header: &str) -> String {
    // Signs of Indian scripts (matras) are no letters, but belong to the word.
    header.chars().filter(|c| c.is_alphanumeric() || !c.is_ascii()).flat_map(char::to_lowercase).collect()
}

/// What each column of a list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Known(Field),
    /// Kept under this key with the customer.
    Custom(String),
    Ignored,
}

/// Reads the first row. A list whose columns cannot be told apart is refused whole.
pub(super) fn read(headers: &[String]) -> Result<Vec<Column>, Unreadable> {
    if headers.len() > limits::UPLOAD_COLUMNS_MAX {
        return Err(Unreadable::new(
            "too_many_columns",
            format!("the list has {} columns; leave at most {}", headers.len(), limits::UPLOAD_COLUMNS_MAX),
        ));
    }
    let mut seen: BTreeMap<Field, &str> = BTreeMap::new();
    let mut keys: Vec<String> = Vec::new();
    let mut columns = Vec::with_capacity(headers.len());
    for header in headers {
        let column = match Field::of(header) {
            Some(Field::Ours) => Column::Ignored,
            Some(field) => {
                if let Some(before) = seen.insert(field, header) {
                    return Err(Unreadable::new(
                        "column_twice",
                        format!(
                            "the columns {before:?} and {header:?} both mean {}; remove or rename one of them",
                            field.name()
                        ),
                    ));
                }
                Column::Known(field)
            }
            None => custom(header, &mut keys),
        };
        columns.push(column);
    }
    if !seen.contains_key(&Field::Phone) {
        let found: Vec<&str> = headers.iter().map(String::as_str).filter(|h| !h.trim().is_empty()).take(12).collect();
        // A first row of data holds people's names: it is not repeated.
        let looks_like_data = headers.iter().any(|h| h.chars().filter(char::is_ascii_digit).count() >= 6);
        let detail = if looks_like_data || found.is_empty() {
            "the first row must name the columns; write at least `name` and `phone_number` there".to_owned()
        } else {
            format!(
                "no column holds phone numbers; name one `phone_number` (or phone, mobile, contact). Found: {}",
                found.join(", ").chars().take(300).collect::<String>()
            )
        };
        return Err(Unreadable::new("no_phone_column", detail));
    }
    Ok(columns)
}

fn custom(header: &str, keys: &mut Vec<String>) -> Column {
    let key: String = header
        .trim()
        .chars()
        .map(|c| if c.is_alphanumeric() || !c.is_ascii() { c } else { '_' })
        .flat_map(char::to_lowercase)
        .take(limits::CUSTOM_KEY_CHARS_MAX)
        .collect();
    let key = key.trim_matches('_').to_owned();
    if key.is_empty() || keys.contains(&key) || keys.len() >= limits::CUSTOM_KEYS_MAX {
        return Column::Ignored;
    }
    keys.push(key.clone());
    Column::Custom(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> Result<Vec<Column>, Unreadable> {
        read(&line.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn columns_are_known_by_many_names() {
        use Field::{Amount, DueDate, Language, LoanId, Name, Phone, State};
        let known = |fields: &[Field]| fields.iter().copied().map(Column::Known).collect::<Vec<_>>();
        let seven = [Name, Phone, State, LoanId, Amount, DueDate, Language];
        for line in [
            "name,phone_number,state,loan_id,amount,due_date,language_code",
            "Name,Phone Number,STATE,Loan ID,Amount,Due Date,Language",
            "Customer Name,Mobile No.,State,Loan A/c,EMI Amount,EMI Due Date,Lang",
            "नाम,मोबाइल,राज्य,loanNo,राशि,due,भाषा",
        ] {
            let line = line.replace("Loan A/c", "Loan Account");
            assert_eq!(read_line(&line).unwrap(), known(&seven), "{line}");
        }
        assert_eq!(
            read_line("Phone,Branch Code, ,status,branch-code").unwrap(),
            [
                Column::Known(Phone),
                Column::Custom("branch_code".into()),
                Column::Ignored,
                Column::Ignored,
                Column::Ignored
            ]
        );
    }

    #[test]
    fn a_list_that_cannot_be_told_apart_is_refused_with_what_to_do() {
        for (line, code, says) in [
            ("name,state", "no_phone_column", "name one `phone_number`"),
            ("Asha,9876543210", "no_phone_column", "first row must name the columns"),
            ("phone,mobile", "column_twice", "both mean phone_number"),
        ] {
            let error = read_line(line).unwrap_err();
            assert_eq!(error.code, code, "{line}");
            assert!(error.detail.contains(says), "{}", error.detail);
            assert!(!error.detail.contains("Asha"), "a first row of data is not repeated");
        }
        let many = vec!["phone".to_owned(); limits::UPLOAD_COLUMNS_MAX + 1];
        assert_eq!(read(&many).unwrap_err().code, "too_many_columns");
    }
}
