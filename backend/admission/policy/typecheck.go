package policy

import (
	"fmt"
	"slices"
	"strings"

	"pilothouse/backend/admission/cel"
	"pilothouse/backend/registry"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/klog/v2"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// maxChecked bounds the kinds that a policy is checked for.
const maxChecked = 10

// Check gives what is wrong with a policy's validations for the kinds that its
// rules name, as its status shows it. schemaOf gives the schema of a kind without
// references, nil when nobody knows it.
func Check(p *admissionregistrationv1.ValidatingAdmissionPolicy, t *registry.Table, schemaOf func(schema.GroupVersionKind) *spec.Schema) []admissionregistrationv1.ExpressionWarning {
	checkers := checkersFor(p, t, schemaOf)
	var warnings []admissionregistrationv1.ExpressionWarning
	check := func(path *field.Path, text string) {
		var words []string
		for _, c := range checkers {
			if issue := c.Check(text); issue != "" {
				words = append(words, fmt.Sprintf("%v: %s\n", c.kind, issue))
			}
		}
		if len(words) > 0 {
			warnings = append(warnings, admissionregistrationv1.ExpressionWarning{FieldRef: path.String(), Warning: strings.Join(words, "\n")})
		}
	}
	for i, v := range p.Spec.Validations {
		path := field.NewPath("spec", "validations").Index(i)
		check(path.Child("expression"), v.Expression)
		if v.MessageExpression != "" {
			check(path.Child("messageExpression"), v.MessageExpression)
		}
	}
	return warnings
}

type kindChecker struct {
	*cel.Checker
	kind schema.GroupVersionKind
}

func checkersFor(p *admissionregistrationv1.ValidatingAdmissionPolicy, t *registry.Table, schemaOf func(schema.GroupVersionKind) *spec.Schema) []kindChecker {
	var params *spec.Schema
	if p.Spec.ParamKind != nil {
		if gvk, err := paramGVK(p.Spec.ParamKind); err == nil {
			params = schemaOf(gvk)
		}
	}
	var out []kindChecker
	for _, kind := range kindsOf(p, t) {
		object := schemaOf(kind)
		if object == nil {
			continue
		}
		c, err := cel.NewChecker(kind.Kind, object, p.Spec.ParamKind != nil, params)
		if err != nil {
			klog.ErrorS(err, "Policy cannot be type-checked", "policy", p.Name, "kind", kind)
			continue
		}
		for _, v := range p.Spec.Variables {
			c.AddVariable(v.Name, v.Expression)
		}
		out = append(out, kindChecker{c, kind})
	}
	return out
}

// kindsOf gives the kinds that the rules of a policy name without a star.
func kindsOf(p *admissionregistrationv1.ValidatingAdmissionPolicy, t *registry.Table) []schema.GroupVersionKind {
	if p.Spec.MatchConstraints == nil {
		return nil
	}
	var kinds []schema.GroupVersionKind
	for _, rule := range p.Spec.MatchConstraints.ResourceRules {
		count := 0
		for _, gvr := range named(&rule.Rule) {
			e, ok := t.Lookup(gvr.Group, gvr.Version, gvr.Resource)
			if !ok {
				continue
			}
			if !slices.Contains(kinds, e.GVK()) {
				kinds = append(kinds, e.GVK())
			}
			if count++; count == maxChecked {
				break
			}
		}
		if count == maxChecked {
			break
		}
	}
	slices.SortFunc(kinds, func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) })
	return kinds
}

// named gives the resources that a rule names, sorted; none when its groups or
// versions have a star.
func named(r *admissionregistrationv1.Rule) (out []schema.GroupVersionResource) {
	star := func(s string) bool { return strings.Contains(s, "*") }
	if slices.ContainsFunc(r.APIGroups, star) || slices.ContainsFunc(r.APIVersions, star) {
		return nil
	}
	sorted := func(list []string) []string { return slices.Sorted(slices.Values(list)) }
	for _, group := range sorted(r.APIGroups) {
		for _, version := range sorted(r.APIVersions) {
			for _, resource := range sorted(r.Resources) {
				if !strings.ContainsAny(resource, "*/") {
					out = append(out, schema.GroupVersionResource{Group: group, Version: version, Resource: resource})
				}
			}
		}
	}
	return out
}
