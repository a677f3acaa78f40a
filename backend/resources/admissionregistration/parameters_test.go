package admissionregistration

import (
	"context"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources/resourcetest"
	"pilothouse/backend/storage/memory"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// TestWritersMayReadParameters: who names parameters needs to be allowed to
// read them.
func TestWritersMayReadParameters(t *testing.T) {
	r, err := registry.New(registry.Options{Engine: memory.New(), Clock: resourcetest.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	var asked []request.Info
	allow := false
	env := &registry.Env{Clock: resourcetest.Now, Registry: r, Access: &registry.Access{
		Authorize: func(_ context.Context, _ *request.User, i *request.Info) (registry.AccessDecision, error) {
			asked = append(asked, *i)
			return registry.AccessDecision{Allowed: allow}, nil
		},
	}}
	resources := Resources(env)
	if err := r.Add(resources...); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	as := func(u *request.User) context.Context { return request.With(t.Context(), &request.Request{User: u}) }
	alice := as(&request.User{Name: "alice", UID: "u", Groups: []string{"g"}})
	expectAsked := func(group, version, resource, namespace, name string) {
		t.Helper()
		if len(asked) != 1 || asked[0].Verb != "get" || asked[0].Group != group || asked[0].Version != version || asked[0].Resource != resource ||
			asked[0].Namespace != namespace || asked[0].Name != name {
			t.Errorf("asked %+v", asked)
		}
		asked = nil
	}

	policies := resourcetest.Of[*admissionregistrationv1.ValidatingAdmissionPolicy](t, resources, "validatingadmissionpolicies")
	policy := func(kind string) string {
		return "{metadata: {name: p}, spec: {paramKind: {apiVersion: admissionregistration.k8s.io/v1, kind: " + kind + "}, " + constraints + ", validations: [{expression: 'true'}]}}"
	}
	const refusal = `spec.paramKind: Forbidden: user &{alice u [g] map[]} must have "get" permission on all objects of the referenced paramKind (kind=ValidatingWebhookConfiguration, apiVersion=admissionregistration.k8s.io/v1)`
	policies.Ctx = alice
	policies.Create(policy("ValidatingWebhookConfiguration"), refusal)
	expectAsked("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "*", "*")
	policies.Update(policy("Other"), policy("ValidatingWebhookConfiguration"), refusal)
	asked = nil
	policies.Update(policy("Other"), policy("Other"))
	if asked != nil {
		t.Errorf("asked about what is as before: %+v", asked)
	}
	allow = true
	policies.Create(policy("Other"))
	expectAsked("admissionregistration.k8s.io", "v1", "*", "*", "*")
	allow = false
	policies.Ctx = as(&request.User{Name: "root", Groups: []string{request.GroupMasters}})
	policies.Create(policy("Other"))

	stored := policies.New(policy("ValidatingWebhookConfiguration"))
	if _, err := r.Store(group, "validatingadmissionpolicies").Create(t.Context(), stored, registry.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	bindings := resourcetest.Of[*admissionregistrationv1.ValidatingAdmissionPolicyBinding](t, resources, "validatingadmissionpolicybindings")
	bindings.Ctx = alice
	binding := func(policy string) string {
		return "{metadata: {name: b}, spec: {policyName: " + policy + ", validationActions: [Deny], paramRef: {name: x, namespace: ns, parameterNotFoundAction: Deny}}}"
	}
	const unreadable = `spec.paramRef: Forbidden: user &{alice u [g] map[]} does not have "get" permission on the object referenced by paramRef`
	asked = nil
	bindings.Create(binding("p"), unreadable)
	expectAsked("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ns", "x")
	bindings.Create(binding("none"), unreadable)
	expectAsked("*", "*", "*", "ns", "x")
}
