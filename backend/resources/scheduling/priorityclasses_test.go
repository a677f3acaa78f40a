package scheduling

import (
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/resourcetest"

	schedulingv1 "k8s.io/api/scheduling/v1"
)

func TestPriorityClasses(t *testing.T) {
	k := resourcetest.Of[*schedulingv1.PriorityClass](t, Resources(&registry.Env{}), "priorityclasses")
	k.JSON(k.New("{metadata: {name: high}, value: 10}"), "{metadata: {name: high, generation: 1}, value: 10, preemptionPolicy: PreemptLowerPriority}")
	k.Create("{metadata: {name: high}, value: 1000000000}")
	k.Create("{metadata: {name: high}, value: 1000000001, preemptionPolicy: Maybe}",
		`value: Forbidden: maximum allowed value of a user defined priority is 1000000000`,
		`preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never"`)
	k.Create("{metadata: {name: system-mine}, value: 1}",
		`metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class`)
	k.Update("{metadata: {name: high}, value: 1}", "{metadata: {name: high}, value: 2, preemptionPolicy: Never, description: new, globalDefault: true}",
		`value: Forbidden: may not be changed in an update.`,
		`preemptionPolicy: Invalid value: "Never": field is immutable`)
	k.Row("{metadata: {name: high}, value: 1, globalDefault: true}", "high | 1 | true | <unknown> | PreemptLowerPriority")
}

func TestSystemClassesAreValid(t *testing.T) {
	k := resourcetest.Of[*schedulingv1.PriorityClass](t, Resources(&registry.Env{}), "priorityclasses")
	for _, c := range SystemPriorityClasses {
		resourcetest.Expect(t, k.Strategy.Validate(t.Context(), &c))
	}
	k.Create("{metadata: {name: system-node-critical}, value: 1}",
		`metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: value of system-node-critical PriorityClass must be 2000001000`)
}
