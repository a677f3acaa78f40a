package crd

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilversion "k8s.io/apimachinery/pkg/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/klog/v2"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// version is one version of a definition. What is dear (schemas, validators, CEL
// programs) is made when it is first needed, so that a thousand definitions
// start as fast as one.
type version struct {
	spec *apiextensionsv1.CustomResourceDefinitionVersion
	gvk  schema.GroupVersionKind
	// preserve keeps all fields (spec.preserveUnknownFields of old definitions).
	preserve bool

	// schema gives the schema as it was written, nil without one.
	schema func() *apiextensionsv1.JSONSchemaProps

	structuralOnce sync.Once
	structuralMade *structuralschema.Structural
	// shape spares pruning and defaulting most of their work; embeds tells that
	// there are embedded resources.
	shape  *shape
	embeds bool

	validatorsOnce  sync.Once
	schemaValidator validation.SchemaValidator
	statusValidator validation.SchemaValidator
	// quick and quickStatus spare the validators most of their work.
	quick, quickStatus *quick
	cel                *cel.Validator

	table tableOf
}

// versionsOf gives a definition's versions by name.
func versionsOf(d *Definition, from *source) map[string]*version {
	out := map[string]*version{}
	for i := range d.Spec.Versions {
		spec := &d.Spec.Versions[i]
		out[spec.Name] = &version{
			spec: spec, preserve: d.Spec.PreserveUnknownFields,
			gvk:    schema.GroupVersionKind{Group: d.Spec.Group, Version: spec.Name, Kind: d.Status.AcceptedNames.Kind},
			schema: func() *apiextensionsv1.JSONSchemaProps { return from.schemaOf(spec.Name) },
		}
	}
	return out
}

func compareVersions(a, b string) int { return utilversion.CompareKubeAwareVersionStrings(a, b) }

// internal gives the schema in the form that upstream's packages work with, nil
// without one. It is made for each call, and only what is made of it is kept.
func (v *version) internal() *apiextensions.JSONSchemaProps {
	written := v.schema()
	if written == nil {
		return nil
	}
	made := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(written, made, nil); err != nil {
		// It would take a default that is no JSON, in an object that was JSON.
		klog.ErrorS(err, "Schema of a CustomResourceDefinition is left out", "kind", v.gvk)
		return nil
	}
	return made
}

// structural gives the schema that pruning and defaulting go by, nil without one.
func (v *version) structural() *structuralschema.Structural {
	v.structuralOnce.Do(func() {
		v.structuralMade = makeStructural(v.internal())
		v.shape, v.embeds = newShape(v.structuralMade)
	})
	return v.structuralMade
}

func makeStructural(internal *apiextensions.JSONSchemaProps) *structuralschema.Structural {
	if internal == nil {
		return nil
	}
	s, err := structuralschema.NewStructural(internal)
	if err != nil {
		// A definition with such a schema is refused; an old one keeps all fields.
		return nil
	}
	s = s.DeepCopy()
	if err := defaulting.PruneDefaults(s); err != nil {
		return nil
	}
	return s
}

// validators makes the schema's validators and compiles its CEL rules.
func (v *version) validators() {
	v.validatorsOnce.Do(func() {
		internal := v.internal()
		var written *spec.Schema
		v.schemaValidator, written, _ = validation.NewSchemaValidator(internal)
		v.quick = newQuick(written)
		if internal != nil && v.spec.Subresources != nil && v.spec.Subresources.Status != nil {
			if status, ok := internal.Properties["status"]; ok {
				v.statusValidator, written, _ = validation.NewSchemaValidator(&status)
				v.quickStatus = newQuick(written)
			}
		}
		if s := v.structural(); s != nil {
			v.cel = cel.NewValidator(s, true, celconfig.PerCallLimit)
		}
	})
}

// applyDefaults fills in the schema's defaults.
func (v *version) applyDefaults(u *unstructured.Unstructured) {
	if s := v.structural(); s != nil && !v.shape.fits(u.Object) {
		defaulting.Default(u.Object, s)
	}
}

// coerce does to an object what decoding into a Go type does to a built-in one:
// unknown fields go (and are named when report is set), nulls that are not
// allowed go, metadata has its types. Errors are 400s.
func (v *version) coerce(u *unstructured.Unstructured, report bool) (unknown []string, err error) {
	if plainMetadata(u) {
		return v.coerceContent(u, report)
	}
	meta, found, unknown, err := objectmeta.GetObjectMetaWithOptions(u.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: report})
	if err != nil {
		return nil, v.badRequest(err)
	}
	more, err := v.coerceContent(u, report)
	if err != nil {
		return nil, err
	}
	if found {
		if err := objectmeta.SetObjectMeta(u.Object, meta); err != nil {
			return nil, v.badRequest(err)
		}
	}
	return append(unknown, more...), nil
}

// coerceContent is coerce for everything but the object's own metadata, which
// stays as it is.
func (v *version) coerceContent(u *unstructured.Unstructured, report bool) (unknown []string, err error) {
	kind, apiVersion := u.GetKind(), u.GetAPIVersion()
	metadata, found := u.Object["metadata"]
	if kind == v.gvk.Kind {
		s := v.structural()
		if v.shape.fits(u.Object) {
			return nil, nil
		}
		if !v.preserve {
			unknown = append(unknown, pruning.PruneWithOptions(u.Object, s, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: report})...)
			defaulting.PruneNonNullableNullsWithoutDefaults(u.Object, s)
		}
		fault, paths := objectmeta.CoerceWithOptions(nil, u.Object, s, false, objectmeta.CoerceOptions{ReturnUnknownFieldPaths: report})
		if fault != nil {
			return nil, v.badRequest(fault)
		}
		unknown = append(unknown, paths...)
	}
	u.SetKind(kind)
	u.SetAPIVersion(apiVersion)
	if found {
		u.Object["metadata"] = metadata
	}
	return unknown, nil
}

func (v *version) badRequest(err error) error {
	return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", v.gvk.Kind, v.gvk.Version, v.gvk.Kind, err))
}

// check validates a new object.
func (v *version) check(ctx context.Context, u *unstructured.Unstructured) field.ErrorList {
	if faults := v.checkKind(u); len(faults) > 0 {
		return faults
	}
	v.validators()
	var faults field.ErrorList
	if !v.quick.accepts(u.Object) {
		faults = validation.ValidateCustomResource(nil, u.Object, v.schemaValidator)
	}
	faults = append(faults, v.checkScale(u, true, true)...)
	s := v.structural()
	if v.embeds {
		faults = append(faults, objectmeta.Validate(nil, u.Object, s, false)...)
	}
	faults = append(faults, listtype.ValidateListSetsAndMaps(nil, s, u.Object)...)
	return append(faults, v.checkRules(ctx, faults, func() field.ErrorList {
		out, _ := v.cel.Validate(ctx, nil, s, u.Object, nil, celconfig.RuntimeCELCostBudget)
		return out
	})...)
}

// checkUpdate validates an object that takes the place of old; what was wrong
// before and has not changed is let through (KEP-4008).
func (v *version) checkUpdate(ctx context.Context, u, old *unstructured.Unstructured) field.ErrorList {
	if faults := v.checkKind(u); len(faults) > 0 {
		return faults
	}
	v.validators()
	s := v.structural()
	correlated := common.NewCorrelatedObject(u.Object, old.Object, &model.Structural{Structural: s})
	var faults field.ErrorList
	if !v.quick.accepts(u.Object) {
		faults = validation.ValidateCustomResourceUpdate(nil, u.Object, old.Object, v.schemaValidator, validation.WithRatcheting(correlated))
	}
	faults = append(faults, v.checkScale(u, true, true)...)
	if v.embeds {
		faults = append(faults, objectmeta.Validate(nil, u.Object, s, false)...)
	}
	// What was wrong before may stay so.
	if more := listtype.ValidateListSetsAndMaps(nil, s, u.Object); len(more) > 0 && len(listtype.ValidateListSetsAndMaps(nil, s, old.Object)) == 0 {
		faults = append(faults, more...)
	}
	return append(faults, v.checkRules(ctx, faults, func() field.ErrorList {
		out, _ := v.cel.Validate(ctx, nil, s, u.Object, old.Object, celconfig.RuntimeCELCostBudget, cel.WithRatcheting(correlated))
		return out
	})...)
}

// checkStatusUpdate validates a write through the status subresource, which is
// about the status alone.
func (v *version) checkStatusUpdate(ctx context.Context, u, old *unstructured.Unstructured) field.ErrorList {
	if faults := v.checkKind(u); len(faults) > 0 {
		return faults
	}
	v.validators()
	s := v.structural()
	correlated := common.NewCorrelatedObject(u.Object, old.Object, &model.Structural{Structural: s})
	var faults field.ErrorList
	if status, there := u.Object["status"]; there && !v.quickStatus.accepts(status) {
		faults = append(faults, validation.ValidateCustomResourceUpdate(field.NewPath("status"), status, old.Object["status"], v.statusValidator, validation.WithRatcheting(correlated.Key("status")))...)
	}
	faults = append(faults, v.checkScale(u, false, true)...)
	// What was wrong before may stay so.
	if more := listtype.ValidateListSetsAndMaps(nil, s, u.Object); len(more) > 0 && len(listtype.ValidateListSetsAndMaps(nil, s, old.Object)) == 0 {
		faults = append(faults, more...)
	}
	return append(faults, v.checkRules(ctx, faults, func() field.ErrorList {
		out, _ := v.cel.Validate(ctx, nil, s, u.Object, old.Object, celconfig.RuntimeCELCostBudget, cel.WithRatcheting(correlated))
		return out
	})...)
}

// checkRules runs the CEL rules unless the object is not in the form that they
// count on.
func (v *version) checkRules(_ context.Context, before field.ErrorList, run func() field.ErrorList) field.ErrorList {
	if v.cel == nil {
		return nil
	}
	for _, e := range before {
		switch e.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return field.ErrorList{field.Invalid(nil, nil, "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation")}
		}
	}
	return run()
}

func (v *version) checkKind(u *unstructured.Unstructured) field.ErrorList {
	var faults field.ErrorList
	if got := u.GetKind(); got != v.gvk.Kind {
		faults = append(faults, field.Invalid(field.NewPath("kind"), got, "must be "+v.gvk.Kind))
	}
	if got, want := u.GetAPIVersion(), v.gvk.GroupVersion().String(); got != want {
		faults = append(faults, field.Invalid(field.NewPath("apiVersion"), got, "must be "+want))
	}
	return faults
}
