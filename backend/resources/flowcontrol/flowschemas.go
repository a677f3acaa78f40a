package flowcontrol

import (
	"cmp"
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

// defaultPrecedence is that of a schema which names none.
const defaultPrecedence = 1000

// flowSchemas sort requests into priority levels. The mandatory ones, exempt
// and catch-all, cannot be changed.
func flowSchemas() registry.Resource {
	doc := flowcontrolv1.FlowSchemaSpec{}.SwaggerDoc()
	status := registry.For[*flowcontrolv1.FlowSchema]{
		PrepareForUpdate: func(_ context.Context, s, old *flowcontrolv1.FlowSchema) {
			s.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(&s.ObjectMeta, &old.ObjectMeta)
		},
		ValidateUpdate: func(_ context.Context, s, _ *flowcontrolv1.FlowSchema) field.ErrorList {
			return validateSchemaConditions(s.Status.Conditions)
		},
		ResetFields: map[string][]string{group + "/v1": {"spec", "metadata"}},
	}.Strategy()
	return registry.Resource{
		Group:    group,
		Name:     "flowschemas",
		Singular: "flowschema",
		Kind:     "FlowSchema",
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &flowcontrolv1.FlowSchema{} },
			Default: registry.Typed(func(s *flowcontrolv1.FlowSchema) {
				if s.Spec.MatchingPrecedence == 0 {
					s.Spec.MatchingPrecedence = defaultPrecedence
				}
			}),
		}},
		Strategy: registry.For[*flowcontrolv1.FlowSchema]{
			ValidatesMetaOnUpdate: 1,
			SkipsMetaChanges:      true,
			ValidateName:          apivalidation.NameIsDNSSubdomain,
			PrepareForCreate: func(_ context.Context, s *flowcontrolv1.FlowSchema) {
				s.Status = flowcontrolv1.FlowSchemaStatus{}
				s.Generation = 1
			},
			Validate: func(_ context.Context, s *flowcontrolv1.FlowSchema) field.ErrorList { return validateFlowSchema(s) },
			PrepareForUpdate: func(_ context.Context, s, old *flowcontrolv1.FlowSchema) {
				s.Status = old.Status
				if !equality.Semantic.DeepEqual(s.Spec, old.Spec) {
					s.Generation = old.Generation + 1
				}
			},
			ValidateUpdate: func(_ context.Context, s, _ *flowcontrolv1.FlowSchema) field.ErrorList { return validateFlowSchema(s) },
			ResetFields:    map[string][]string{group + "/v1": {"status"}},
		}.Strategy(),
		Columns: []registry.Column{
			printers.Name,
			printers.Column("PriorityLevel", flowcontrolv1.PriorityLevelConfigurationReference{}.SwaggerDoc()["name"]),
			printers.Column("MatchingPrecedence", doc["matchingPrecedence"]),
			printers.Column("DistinguisherMethod", doc["distinguisherMethod"]),
			printers.Age,
			printers.Column("MissingPL", "references a broken or non-existent PriorityLevelConfiguration"),
		},
		Cells: registry.Row(schemaCells),
		// Tables show them in the order in which they are tried.
		RowOrder: func(a, b scheme.Object) int {
			x, y := a.(*flowcontrolv1.FlowSchema), b.(*flowcontrolv1.FlowSchema)
			return cmp.Or(cmp.Compare(x.Spec.MatchingPrecedence, y.Spec.MatchingPrecedence), cmp.Compare(x.Name, y.Name))
		},
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

func schemaCells(s *flowcontrolv1.FlowSchema, now registry.Clock) []any {
	method, missing := "<none>", "?"
	if s.Spec.DistinguisherMethod != nil {
		method = string(s.Spec.DistinguisherMethod.Type)
	}
	for _, c := range s.Status.Conditions {
		if c.Type == flowcontrolv1.FlowSchemaConditionDangling {
			missing = string(c.Status)
			break
		}
	}
	return []any{
		s.Name, s.Spec.PriorityLevelConfiguration.Name, int64(s.Spec.MatchingPrecedence),
		method, printers.Since(s.CreationTimestamp, now), missing,
	}
}
