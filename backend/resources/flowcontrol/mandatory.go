package flowcontrol

import flowcontrolv1 "k8s.io/api/flowcontrol/v1"

// mandatorySchemas are the specs of the FlowSchemas that every cluster has,
// by name.
var mandatorySchemas = map[string]flowcontrolv1.FlowSchemaSpec{
	flowcontrolv1.FlowSchemaNameExempt: {
		PriorityLevelConfiguration: flowcontrolv1.PriorityLevelConfigurationReference{Name: flowcontrolv1.PriorityLevelConfigurationNameExempt},
		MatchingPrecedence:         1,
		Rules:                      everythingBy("system:masters"),
	},
	flowcontrolv1.FlowSchemaNameCatchAll: {
		PriorityLevelConfiguration: flowcontrolv1.PriorityLevelConfigurationReference{Name: flowcontrolv1.PriorityLevelConfigurationNameCatchAll},
		MatchingPrecedence:         maxPrecedence,
		DistinguisherMethod:        &flowcontrolv1.FlowDistinguisherMethod{Type: flowcontrolv1.FlowDistinguisherMethodByUserType},
		Rules:                      everythingBy("system:unauthenticated", "system:authenticated"),
	},
}

// everythingBy is one rule for all requests of groups.
func everythingBy(groups ...string) []flowcontrolv1.PolicyRulesWithSubjects {
	all := []string{flowcontrolv1.VerbAll}
	rule := flowcontrolv1.PolicyRulesWithSubjects{
		ResourceRules: []flowcontrolv1.ResourcePolicyRule{{
			Verbs: all, APIGroups: all, Resources: all, ClusterScope: true, Namespaces: all,
		}},
		NonResourceRules: []flowcontrolv1.NonResourcePolicyRule{{Verbs: all, NonResourceURLs: all}},
	}
	for _, name := range groups {
		rule.Subjects = append(rule.Subjects, flowcontrolv1.Subject{
			Kind:  flowcontrolv1.SubjectKindGroup,
			Group: &flowcontrolv1.GroupSubject{Name: name},
		})
	}
	return []flowcontrolv1.PolicyRulesWithSubjects{rule}
}

// mandatoryLevels are the specs of the priority levels that every cluster has,
// by name.
var mandatoryLevels = map[string]flowcontrolv1.PriorityLevelConfigurationSpec{
	flowcontrolv1.PriorityLevelConfigurationNameExempt: {
		Type: flowcontrolv1.PriorityLevelEnablementExempt,
		Exempt: &flowcontrolv1.ExemptPriorityLevelConfiguration{
			NominalConcurrencyShares: new(int32(0)),
			LendablePercent:          new(int32(0)),
		},
	},
	flowcontrolv1.PriorityLevelConfigurationNameCatchAll: {
		Type: flowcontrolv1.PriorityLevelEnablementLimited,
		Limited: &flowcontrolv1.LimitedPriorityLevelConfiguration{
			NominalConcurrencyShares: new(int32(5)),
			LimitResponse:            flowcontrolv1.LimitResponse{Type: flowcontrolv1.LimitResponseTypeReject},
			LendablePercent:          new(int32(0)),
		},
	},
}
