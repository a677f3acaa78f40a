package apiextensions

import (
	"context"
	"slices"

	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

type definition = apiextensionsv1.CustomResourceDefinition

// customResourceDefinitions define resources at run time. They are named
// plural.group; group and plural never change, scope and kind not once the
// resource is served. The storage version joins status.storedVersions at once.
func customResourceDefinitions() registry.Resource {
	status := registry.For[*definition]{
		// Metadata passes, unlike that of most status writes: upstream meant to
		// keep the old one and does not.
		PrepareForUpdate:       func(_ context.Context, d, old *definition) { d.Spec = old.Spec },
		ValidateUpdate:         func(_ context.Context, d, old *definition) field.ErrorList { return validateStatus(d, old) },
		RequireResourceVersion: true,
		ResetFields:            map[string][]string{group + "/v1": {"spec"}},
	}.Strategy()
	return registry.Resource{
		Group:         group,
		Name:          "customresourcedefinitions",
		Singular:      "customresourcedefinition",
		Kind:          "CustomResourceDefinition",
		ShortNames:    []string{"crd", "crds"},
		Categories:    []string{"api-extensions"},
		HashedVersion: "v1beta1",
		Versions: []registry.Version{{
			Name:    "v1",
			New:     func() scheme.Object { return &definition{} },
			Default: registry.Typed(apiextensionsv1.SetObjectDefaults_CustomResourceDefinition),
		}},
		Strategy: registry.For[*definition]{
			ValidateName: func(string, bool) []string { return nil }, // the name has a rule of its own
			PrepareForCreate: func(_ context.Context, d *definition) {
				d.Status = apiextensionsv1.CustomResourceDefinitionStatus{}
				d.Generation = 1
				noteStorageVersion(d)
			},
			Validate:         validateNew,
			WarningsOnCreate: func(_ context.Context, d *definition) []string { return formatWarnings(d, nil) },
			WarningsOnUpdate: func(_ context.Context, d, old *definition) []string { return formatWarnings(d, old) },
			Terminate:        terminate,
			PrepareForUpdate: func(_ context.Context, d, old *definition) {
				d.Status = *old.Status.DeepCopy()
				if !equality.Semantic.DeepEqual(d.Spec, old.Spec) {
					d.Generation = old.Generation + 1
				}
				noteStorageVersion(d)
			},
			ValidateUpdate:         validateUpdate,
			RequireResourceVersion: true,
			ResetFields:            map[string][]string{group + "/v1": {"status"}},
		}.Strategy(),
		Columns: printers.DefaultColumns,
		Cells: registry.Row(func(d *definition, _ registry.Clock) []any {
			return printers.DefaultCells(d)
		}),
		Subresources: []registry.Subresource{
			{Name: "status", Verbs: []string{"get", "patch", "update"}, Strategy: &status},
		},
	}
}

// terminate marks a definition that is to go: its objects go first, and the
// finalizer holds it until they have. Later deletes change nothing while it is
// there.
func terminate(_ context.Context, d *definition) (stays bool) {
	if slices.Contains(d.Finalizers, apiextensionsv1.CustomResourceCleanupFinalizer) {
		return true
	}
	for i := range d.Status.Conditions {
		if d.Status.Conditions[i].Type == apiextensionsv1.Terminating {
			return len(d.Finalizers) > 0
		}
	}
	d.Finalizers = append(d.Finalizers, apiextensionsv1.CustomResourceCleanupFinalizer)
	c := apiextensionsv1.CustomResourceDefinitionCondition{Type: apiextensionsv1.Terminating, Status: apiextensionsv1.ConditionTrue,
		Reason: "InstanceDeletionPending", Message: "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"}
	if t := d.DeletionTimestamp; t != nil {
		c.LastTransitionTime = *t
	}
	d.Status.Conditions = append(d.Status.Conditions, c)
	return true
}

func noteStorageVersion(d *definition) {
	for _, v := range d.Spec.Versions {
		if !v.Storage {
			continue
		}
		if !slices.Contains(d.Status.StoredVersions, v.Name) {
			d.Status.StoredVersions = append(d.Status.StoredVersions, v.Name)
		}
		return
	}
}

// internally runs f on the internal form of d, in which what all versions have
// in common stands once, above them: errors name fields as they are there.
func internally(d *definition, f func(*apiextensions.CustomResourceDefinition) field.ErrorList) field.ErrorList {
	internal := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(d.DeepCopy(), internal, nil); err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	return f(internal)
}
