package flowcontrol

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

type level = flowcontrolv1.PriorityLevelConfiguration

// Defaults of a limited priority level.
const (
	defaultShares           = 30
	defaultQueues           = 64
	defaultHandSize         = 8
	defaultQueueLengthLimit = 50
)

// priorityLevelConfigurations say how much of the server a level may have. Of
// the mandatory ones, only what exempt lends can be changed.
func priorityLevelConfigurations() registry.Resource {
	queuing := flowcontrolv1.QueuingConfiguration{}.SwaggerDoc()
	status := registry.For[*level]{
		PrepareForUpdate: func(_ context.Context, l, old *level) {
			l.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(&l.ObjectMeta, &old.ObjectMeta)
		},
		ValidateUpdate: func(_ context.Context, l, _ *level) field.ErrorList {
			return validateLevelConditions(l.Status.Conditions)
		},
		ResetFields: map[string][]string{group + "/v1": {"spec", "metadata"}},
	}.Strategy()
	return registry.Resource{
		Group:    group,
		Name:     "prioritylevelconfigurations",
		Singular: "prioritylevelconfiguration",
		Kind:     "PriorityLevelConfiguration",
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &flowcontrolv1.PriorityLevelConfiguration{} },
			Default: registry.Typed(defaultLevel),
		}},
		Strategy: registry.For[*level]{
			ValidatesMetaOnUpdate: 1,
			SkipsMetaChanges:      true,
			ValidateName:          apivalidation.NameIsDNSSubdomain,
			PrepareForCreate: func(_ context.Context, l *level) {
				l.Status = flowcontrolv1.PriorityLevelConfigurationStatus{}
				l.Generation = 1
			},
			Validate: func(_ context.Context, l *level) field.ErrorList { return validateLevel(l) },
			PrepareForUpdate: func(_ context.Context, l, old *level) {
				l.Status = old.Status
				if !equality.Semantic.DeepEqual(l.Spec, old.Spec) {
					l.Generation = old.Generation + 1
				}
			},
			ValidateUpdate: func(_ context.Context, l, _ *level) field.ErrorList { return validateLevel(l) },
			ResetFields:    map[string][]string{group + "/v1": {"status"}},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Type", flowcontrolv1.PriorityLevelConfigurationSpec{}.SwaggerDoc()["type"]),
			printers.Column("NominalConcurrencyShares", flowcontrolv1.LimitedPriorityLevelConfiguration{}.SwaggerDoc()["nominalConcurrencyShares"]),
			printers.Column("Queues", queuing["queues"]),
			printers.Column("HandSize", queuing["handSize"]),
			printers.Column("QueueLengthLimit", queuing["queueLengthLimit"]),
			printers.Age,
		},
		Cells: registry.Row(levelCells),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func defaultLevel(l *level) {
	if e := l.Spec.Exempt; e != nil {
		setDefault(&e.NominalConcurrencyShares, 0)
		setDefault(&e.LendablePercent, 0)
	}
	if limited := l.Spec.Limited; limited != nil {
		setDefault(&limited.NominalConcurrencyShares, defaultShares)
		setDefault(&limited.LendablePercent, 0)
		if q := limited.LimitResponse.Queuing; q != nil {
			setZero(&q.HandSize, defaultHandSize)
			setZero(&q.Queues, defaultQueues)
			setZero(&q.QueueLengthLimit, defaultQueueLengthLimit)
		}
	}
}

func setDefault(value **int32, to int32) {
	if *value == nil {
		*value = &to
	}
}

func setZero(value *int32, to int32) {
	if *value == 0 {
		*value = to
	}
}

func levelCells(l *level, now registry.Clock) []any {
	var shares, queues, hand, length any = "<none>", "<none>", "<none>", "<none>"
	if limited := l.Spec.Limited; limited != nil {
		shares = int64(0)
		if limited.NominalConcurrencyShares != nil {
			shares = int64(*limited.NominalConcurrencyShares)
		}
		if q := limited.LimitResponse.Queuing; q != nil {
			queues, hand, length = int64(q.Queues), int64(q.HandSize), int64(q.QueueLengthLimit)
		}
	}
	return []any{l.Name, string(l.Spec.Type), shares, queues, hand, length, printers.Since(l.CreationTimestamp, now)}
}
