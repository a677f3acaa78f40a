package crd

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// read gives a definition that may be changed and what it was read from, nil when
// there is none.
func (m *Manager) read(ctx context.Context, name string) (*Definition, *watchcache.Object, error) {
	o, err := m.store.Get(ctx, "", name, registry.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	obj, err := m.store.Decode(o)
	if err != nil {
		return nil, nil, err
	}
	return obj.(*Definition), o, nil
}

// claim is what names are given away by: which ones a definition wants and has.
type claim struct {
	revision    int64
	name, group string
	wants, has  apiextensionsv1.CustomResourceDefinitionNames
}

// claims gives those of every definition of a group. Only what has changed since
// the last call is decoded.
func (m *Manager) claims(ctx context.Context, group string) []*claim {
	list, err := m.store.List(ctx, registry.ListOptions{})
	if err != nil {
		return nil
	}
	var out []*claim
	for _, o := range list.Items {
		if !strings.HasSuffix(o.Name, "."+group) { // a definition's name ends with its group
			continue
		}
		c := m.known[o.Name]
		if c == nil || c.revision != o.Revision {
			obj, err := m.store.Decode(o)
			if err != nil {
				continue
			}
			d := obj.(*Definition)
			c = &claim{revision: o.Revision, name: d.Name, group: d.Spec.Group, wants: d.Spec.Names, has: d.Status.AcceptedNames}
			m.known[o.Name] = c
		}
		if c.group == group {
			out = append(out, c)
		}
	}
	return out
}

// othersOf names the other definitions of a definition's group: they may have
// waited for a name that is free now.
func (m *Manager) othersOf(ctx context.Context, d *Definition) []string {
	if d == nil {
		return nil
	}
	var out []string
	for _, other := range m.claims(ctx, d.Spec.Group) {
		if other.name != d.Name && !reflect.DeepEqual(other.wants, other.has) {
			out = append(out, other.name)
		}
	}
	return out
}

// accept gives a definition the names that are free and sets its conditions; it
// tells whether the status was written. d is the newest state afterwards.
func (m *Manager) accept(ctx context.Context, d *Definition) (changed bool, err error) {
	before := d.DeepCopy()
	if !reflect.DeepEqual(d.Spec.Names, d.Status.AcceptedNames) || apihelpers.FindCRDCondition(d, apiextensionsv1.NamesAccepted) == nil {
		m.acceptNames(ctx, d)
	}
	m.setNonStructural(d)
	m.setApproval(d)
	if reflect.DeepEqual(before.Status, d.Status) {
		return false, nil
	}
	err = m.o.Client.UpdateSubresource(ctx, definitionsResource, "status", d)
	return err == nil, err
}

func (m *Manager) acceptNames(ctx context.Context, d *Definition) {
	names, condition := m.freeNames(ctx, d)
	d.Status.AcceptedNames = names
	m.set(d, condition)
	switch {
	case isTrue(d, apiextensionsv1.Established):
	case condition.Status == apiextensionsv1.ConditionTrue:
		m.set(d, apiextensionsv1.CustomResourceDefinitionCondition{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue,
			Reason: "InitialNamesAccepted", Message: "the initial names have been accepted"})
	default:
		m.set(d, apiextensionsv1.CustomResourceDefinitionCondition{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionFalse,
			Reason: "NotAccepted", Message: "not all names are accepted"})
	}
}

// freeNames gives the names of the spec that no other definition of the group
// has, those that were accepted before for the others, and the condition that
// says so. The last conflict gives the reason.
func (m *Manager) freeNames(ctx context.Context, d *Definition) (apiextensionsv1.CustomResourceDefinitionNames, apiextensionsv1.CustomResourceDefinitionCondition) {
	resources, kinds := map[string]bool{}, map[string]bool{}
	for _, other := range m.claims(ctx, d.Spec.Group) {
		if other.name == d.Name {
			continue
		}
		a := other.has
		for _, n := range append([]string{a.Plural, a.Singular}, a.ShortNames...) {
			resources[n] = true
		}
		kinds[a.Kind], kinds[a.ListKind] = true, true
	}
	condition := apiextensionsv1.CustomResourceDefinitionCondition{Type: apiextensionsv1.NamesAccepted, Status: apiextensionsv1.ConditionTrue, Reason: "NoConflicts", Message: "no conflicts found"}
	conflict := func(reason, message string) {
		condition.Status, condition.Reason, condition.Message = apiextensionsv1.ConditionFalse, reason, message
	}
	want, names := d.Spec.Names, d.Status.AcceptedNames
	take := func(wanted string, accepted *string, used map[string]bool, reason string) {
		if wanted != *accepted && used[wanted] {
			conflict(reason, inUse(wanted))
			return
		}
		*accepted = wanted
	}
	take(want.Plural, &names.Plural, resources, "PluralConflict")
	take(want.Singular, &names.Singular, resources, "SingularConflict")
	var taken []string
	for _, short := range want.ShortNames {
		if !slices.Contains(names.ShortNames, short) && resources[short] {
			taken = append(taken, inUse(short))
		}
	}
	switch len(taken) {
	case 0:
		names.ShortNames = want.ShortNames
	case 1:
		conflict("ShortNamesConflict", taken[0])
	default:
		conflict("ShortNamesConflict", "["+strings.Join(taken, ", ")+"]")
	}
	take(want.Kind, &names.Kind, kinds, "KindConflict")
	take(want.ListKind, &names.ListKind, kinds, "ListKindConflict")
	names.Categories = want.Categories
	return names, condition
}

func inUse(name string) string { return fmt.Sprintf("%q is already in use", name) }

// set adds or replaces a condition.
func (m *Manager) set(d *Definition, c apiextensionsv1.CustomResourceDefinitionCondition) {
	c.LastTransitionTime = metav1.NewTime(m.o.Clock())
	apihelpers.SetCRDCondition(d, c)
}

func isTrue(d *Definition, t apiextensionsv1.CustomResourceDefinitionConditionType) bool {
	return apihelpers.IsCRDConditionTrue(d, t)
}

// setNonStructural tells of schemas from before they had to be structural.
func (m *Manager) setNonStructural(d *Definition) {
	var faults field.ErrorList
	if d.Spec.PreserveUnknownFields {
		faults = append(faults, field.Invalid(field.NewPath("spec", "preserveUnknownFields"), true, "must be false"))
	}
	for i := range d.Spec.Versions {
		v := &d.Spec.Versions[i]
		if v.Schema == nil || v.Schema.OpenAPIV3Schema == nil {
			continue
		}
		path := field.NewPath("spec", "versions").Index(i).Child("schema", "openAPIV3Schema")
		internal := &apiextensions.JSONSchemaProps{}
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, internal, nil); err != nil {
			continue
		}
		s, err := structuralschema.NewStructural(internal)
		if err != nil {
			faults = append(faults, field.Invalid(path, "", err.Error()))
			continue
		}
		faults = append(faults, structuralschema.ValidateStructural(path, s)...)
	}
	if len(faults) == 0 {
		apihelpers.RemoveCRDCondition(d, apiextensionsv1.NonStructuralSchema)
		return
	}
	m.set(d, apiextensionsv1.CustomResourceDefinitionCondition{Type: apiextensionsv1.NonStructuralSchema, Status: apiextensionsv1.ConditionTrue,
		Reason: "Violations", Message: faults.ToAggregate().Error()})
}

// setApproval tells whether a definition in a group of Kubernetes' own has the
// approval that those need (KEP-1111).
func (m *Manager) setApproval(d *Definition) {
	if !apihelpers.IsProtectedCommunityGroup(d.Spec.Group) {
		return
	}
	state, reason := apihelpers.GetAPIApprovalState(d.Annotations)
	c := apiextensionsv1.CustomResourceDefinitionCondition{Type: apiextensionsv1.KubernetesAPIApprovalPolicyConformant, Message: reason}
	switch state {
	case apihelpers.APIApprovalInvalid:
		c.Status, c.Reason = apiextensionsv1.ConditionFalse, "InvalidAnnotation"
	case apihelpers.APIApprovalMissing:
		c.Status, c.Reason = apiextensionsv1.ConditionFalse, "MissingAnnotation"
	case apihelpers.APIApproved:
		c.Status, c.Reason = apiextensionsv1.ConditionTrue, "ApprovedAnnotation"
	case apihelpers.APIApprovalBypassed:
		c.Status, c.Reason = apiextensionsv1.ConditionFalse, "UnapprovedAnnotation"
	default:
		c.Status, c.Reason = apiextensionsv1.ConditionUnknown, "UnknownAnnotation"
	}
	m.set(d, c)
}
