package controllers

import (
	"context"
	"encoding/json"
	"net/url"

	"pilothouse/backend/admission/policy"
	"pilothouse/backend/client"
	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/informer"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

var validatingPolicies = schema.GroupVersionResource{Group: admissionregistrationv1.GroupName, Version: "v1", Resource: "validatingadmissionpolicies"}

// policyStatusManager is the field manager of what the loop writes.
const policyStatusManager = "validatingadmissionpolicy-status"

// newPolicyStatus checks the expressions of validating admission policies against
// the schemas of what they are about, and writes what it finds into their status.
func newPolicyStatus(d Deps) func(context.Context) error {
	policies := informer.New(d.Shared, validatingPolicies, "", func() *admissionregistrationv1.ValidatingAdmissionPolicy {
		return &admissionregistrationv1.ValidatingAdmissionPolicy{}
	})
	q := loop.NewQueue[string]("validatingadmissionpolicies")
	policies.OnChange(func(_, current *admissionregistrationv1.ValidatingAdmissionPolicy) {
		if current != nil {
			q.Add(current.Name)
		}
	})
	check := func(ctx context.Context, name string) error {
		<-policies.Synced()
		p, ok := policies.Get("", name)
		if !ok || p.Generation <= p.Status.ObservedGeneration {
			return nil
		}
		schemas := openAPISchemas{ctx: ctx, client: d.Client, documents: map[string]*spec3.OpenAPI{}}
		patch, err := json.Marshal(map[string]any{
			"apiVersion": validatingPolicies.GroupVersion().String(), "kind": "ValidatingAdmissionPolicy",
			"metadata": map[string]any{"name": name},
			"status": admissionregistrationv1.ValidatingAdmissionPolicyStatus{
				ObservedGeneration: p.Generation,
				TypeChecking:       &admissionregistrationv1.TypeChecking{ExpressionWarnings: policy.Check(p, d.Registry.Table(), schemas.of)},
			},
		})
		if err != nil {
			return err
		}
		_, err = d.Client.Bytes(ctx, client.Call{
			Method: "PATCH", Path: client.Path(validatingPolicies, "", name, "status"), ContentType: "application/apply-patch+yaml",
			Query: url.Values{"fieldManager": {policyStatusManager}, "force": {"true"}}, Body: patch,
		})
		return ignoreNotFound(err)
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, policies.Run, func(ctx context.Context) error { return q.Work(ctx, 1, check) })
	}
}

// openAPISchemas finds schemas in the served OpenAPI documents, which it keeps
// for the time of one check.
type openAPISchemas struct {
	ctx       context.Context
	client    *client.Client
	documents map[string]*spec3.OpenAPI
}

// of gives the schema of a kind with its references put in, nil when there is
// none.
func (s *openAPISchemas) of(gvk schema.GroupVersionKind) *spec.Schema {
	d := s.document(gvk.GroupVersion())
	if d == nil || d.Components == nil {
		return nil
	}
	for name, model := range d.Components.Schemas {
		if hasKind(model, gvk) {
			return inline(d.Components.Schemas, model, map[string]bool{"#/components/schemas/" + name: true})
		}
	}
	return nil
}

func (s *openAPISchemas) document(gv schema.GroupVersion) *spec3.OpenAPI {
	path := "/openapi/v3/apis/" + gv.String()
	if gv.Group == "" {
		path = "/openapi/v3/api/" + gv.Version
	}
	if d, ok := s.documents[path]; ok {
		return d
	}
	s.documents[path] = nil
	body, err := s.client.Bytes(s.ctx, client.Call{Method: "GET", Path: path})
	d := &spec3.OpenAPI{}
	if err != nil || d.UnmarshalJSON(body) != nil {
		return nil
	}
	s.documents[path] = d
	return d
}

func hasKind(s *spec.Schema, gvk schema.GroupVersionKind) bool {
	var kinds []schema.GroupVersionKind
	list, _ := s.Extensions["x-kubernetes-group-version-kind"].([]any)
	for _, one := range list {
		m, _ := one.(map[string]any)
		group, _ := m["group"].(string)
		version, _ := m["version"].(string)
		kind, _ := m["kind"].(string)
		kinds = append(kinds, schema.GroupVersionKind{Group: group, Version: version, Kind: kind})
	}
	// Options have the kinds of all groups; nobody stores them.
	return len(kinds) == 1 && kinds[0] == gvk
}

// inline gives a schema with the schemas that it refers to in their places. One
// that is inside itself is an object there that may have anything.
func inline(all map[string]*spec.Schema, s *spec.Schema, within map[string]bool) *spec.Schema {
	out := *s
	if ref := refOf(s); ref != "" {
		resolved := all[ref[len(refPrefix):]]
		if within[ref] || resolved == nil {
			return &spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}}}
		}
		within[ref] = true
		defer delete(within, ref)
		out = *resolved
	}
	if len(out.Properties) > 0 {
		properties := make(map[string]spec.Schema, len(out.Properties))
		for name, p := range out.Properties {
			properties[name] = *inline(all, &p, within)
		}
		out.Properties = properties
	}
	if a := out.AdditionalProperties; a != nil && a.Schema != nil {
		out.AdditionalProperties = &spec.SchemaOrBool{Allows: a.Allows, Schema: inline(all, a.Schema, within)}
	}
	if i := out.Items; i != nil && i.Schema != nil {
		out.Items = &spec.SchemaOrArray{Schema: inline(all, i.Schema, within)}
	}
	return &out
}

const refPrefix = "#/components/schemas/"

// refOf gives the model that a schema refers to, itself or, to say more about it,
// in an allOf.
func refOf(s *spec.Schema) string {
	if ref := s.Ref.String(); len(ref) > len(refPrefix) && ref[:len(refPrefix)] == refPrefix {
		return ref
	}
	for i := range s.AllOf {
		if ref := refOf(&s.AllOf[i]); ref != "" {
			return ref
		}
	}
	return ""
}
