//! Can every agent take calls?

use super::facts::AgentFacts;
use super::finding::Finding;

pub(super) fn check(agents: &[AgentFacts]) -> Vec<Finding> {
    agents.iter().map(|facts| one(facts).about(facts.agent.clone())).collect()
}

fn one(AgentFacts { agent, tenant, shut }: &AgentFacts) -> Finding {
    match shut {
        Some(why) => Finding::error(
            "agent",
            format!("the agent {agent} takes no calls, its tenant {tenant} is not there: {why}"),
            format!(
                "name a tenant that exists (`vaani tenant list`) as routing.tenant of the file of {agent}, or remove that file, and restart the daemon"
            ),
        ),
        None => Finding::fine("agent", format!("the tenant {tenant} of the agent {agent} is there")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn an_agent_without_its_tenant_is_told_by_name() {
        let facts = |shut: Option<&str>| AgentFacts {
            agent: "loans".to_owned(),
            tenant: "bank".to_owned(),
            shut: shut.map(str::to_owned),
        };
        let found = check(&[facts(None), facts(Some("it was removed for good"))]);
        assert_eq!((found[0].severity, found[1].severity), (Severity::Fine, Severity::Error));
        assert!(found[1].text.contains("removed for good") && found[1].fix.contains("routing.tenant"), "{found:?}");
        assert_eq!(found[1].about, "loans");
    }
}
