//! The permission matrix a second time, role by role and word by word. A change of a cell has to be
//! made here too, by somebody who means it.

use super::*;

/// What each role may, as a list of names; whatever is not listed is forbidden.
const EXPECTED: [(Role, &str); 6] = [
    (
        Role::Admin,
        "own calls_read calls_place calls_control transcripts_read transcripts_own personal_read customers_read \
         customers_write customers_import campaigns_read campaigns_run callbacks_work live_watch documents_read \
         documents_write consents_write ask_ai ai_read agents_read agents_write webhooks_manage users_manage \
         tokens_manage tokens_issue audit_read data_export data_erase holds_manage system_read system_manage \
         backup_run tenants_manage metrics_read",
    ),
    (
        Role::Supervisor,
        "own calls_read calls_place calls_control transcripts_read transcripts_own personal_read customers_read \
         customers_write customers_import campaigns_read campaigns_run callbacks_work live_watch documents_read \
         documents_write consents_write ask_ai ai_read agents_read data_export",
    ),
    (
        Role::HumanAgent,
        "own calls_read calls_place transcripts_own personal_read customers_read customers_write campaigns_read \
         callbacks_work live_watch documents_read consents_write",
    ),
    (
        Role::AiOps,
        "own calls_read transcripts_read transcripts_own campaigns_read live_watch ask_ai ai_read agents_read \
         agents_write tokens_issue system_read metrics_read",
    ),
    (
        Role::Service,
        "calls_read calls_place calls_control customers_read customers_write customers_import campaigns_read \
         live_watch documents_write consents_write ask_ai tokens_issue metrics_read",
    ),
    (Role::Viewer, "own calls_read customers_read campaigns_read live_watch ai_read"),
];

#[test]
fn every_cell_of_the_matrix_is_as_written() {
    let mut cells = 0;
    for (role, words) in EXPECTED {
        let expected: Vec<Permission> = words.split_whitespace().map(|word| word.parse().unwrap()).collect();
        for &permission in Permission::ALL {
            assert_eq!(role.may(permission), expected.contains(&permission), "{role} × {permission}");
            cells += 1;
        }
    }
    assert_eq!(cells, 6 * 34);
}

#[test]
fn the_table_holds_every_permission_once() {
    let rows: Vec<Permission> = MAY.iter().map(|(permission, _)| *permission).collect();
    assert_eq!(rows, Permission::ALL, "a permission is missing, double or out of order in the table");
}

/// Words and persons by role: the promise of the table at the head of the file.
#[test]
fn words_and_persons_by_role() {
    // Role, words of every call, words of own calls, persons unmasked.
    let cases = [
        (Role::Admin, true, true, true),
        (Role::Supervisor, true, true, true),
        (Role::HumanAgent, false, true, true),
        (Role::AiOps, true, true, false),
        (Role::Service, false, false, false),
        (Role::Viewer, false, false, false),
    ];
    for (role, every, own, persons) in cases {
        assert_eq!(role.may(Permission::TranscriptsRead), every, "{role}");
        assert_eq!(role.may(Permission::TranscriptsOwn), own, "{role}");
        assert_eq!(role.may(Permission::PersonalRead), persons, "{role}");
    }
}

#[test]
fn who_covers_whom() {
    let covered = |role: Role| Role::ALL.into_iter().filter(|other| role.covers(*other)).collect::<Vec<_>>();
    assert_eq!(covered(Role::Admin), Role::ALL);
    assert_eq!(covered(Role::Supervisor), [Role::Supervisor, Role::HumanAgent, Role::Viewer]);
    for role in [Role::HumanAgent, Role::AiOps, Role::Service, Role::Viewer] {
        assert_eq!(covered(role), [role]);
    }
}

#[test]
fn names_are_read_back_and_unknown_ones_say_what_is_known() {
    for role in Role::ALL {
        assert_eq!(role.to_string().parse(), Ok(role));
        assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
    }
    for &permission in Permission::ALL {
        assert_eq!(permission.to_string().parse(), Ok(permission));
        assert_eq!(serde_json::to_value(permission).unwrap(), permission.as_str());
    }
    let error = "root".parse::<Role>().unwrap_err().to_string();
    assert!(error.contains("admin, supervisor, human_agent, ai_ops, service, viewer"), "{error}");
    for word in ["", "Admin", " admin", "calls_read\0", "own own"] {
        assert!(word.parse::<Role>().is_err() && word.parse::<Permission>().is_err(), "{word:?}");
    }
}

/// The configuration has the words only.
#[test]
fn the_configurations_words_for_roles_are_the_roles() {
    assert_eq!(crate::config::ROLES, Role::ALL.map(Role::as_str));
}
