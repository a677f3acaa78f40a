package pages

import (
	"testing"

	"pilothouse/backend/request"
	"pilothouse/web/session"
	"pilothouse/web/view"
)

// What is missing is read from the messages of refusals, whoever and whatever
// they name.
func TestRefusalsSayWhatIsMissing(t *testing.T) {
	c := &Call{Session: &session.Session{User: &request.User{Name: "me"}}}
	f := func(message string, want view.Denied) {
		t.Helper()
		var got view.Fault
		c.explain(&got, message)
		if got.Denied == nil || *got.Denied != want {
			t.Errorf("%s: %+v", message, got.Denied)
		}
	}
	f(`clusterroles.rbac.authorization.k8s.io "view" is forbidden: User "dev" cannot get resource "clusterroles" in API group "rbac.authorization.k8s.io" at the cluster scope`,
		view.Denied{Who: "dev", Verb: "get", Resource: "clusterroles",
			Grant: "kubectl create clusterrole NAME --verb=get --resource=clusterroles.rbac.authorization.k8s.io; kubectl create clusterrolebinding NAME --clusterrole=NAME --user=dev"})
	f(`pods "web" is forbidden: User "system:serviceaccount:shop:ci" cannot create resource "pods/exec" in API group "" in the namespace "shop"`,
		view.Denied{Who: "system:serviceaccount:shop:ci", Verb: "create", Resource: "pods/exec", Namespace: "shop",
			Grant: "kubectl create role -n shop NAME --verb=create --resource=pods/exec; kubectl create rolebinding -n shop NAME --role=NAME --serviceaccount=shop:ci"})
	f(`forbidden: User "dev" cannot get path "/debug/audit"`,
		view.Denied{Who: "dev", Verb: "get", Resource: "/debug/audit",
			Grant: "kubectl create clusterrole NAME --verb=get --non-resource-url=/debug/audit; kubectl create clusterrolebinding NAME --clusterrole=NAME --user=dev"})
	var other view.Fault
	if c.explain(&other, "exceeded quota: pods"); other.Denied != nil {
		t.Errorf("%+v", other.Denied)
	}
}
