package cel

import (
	"context"
	"testing"

	"pilothouse/backend/authz"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// Questions that differ only in their selectors were one question.
func TestSelectorsAreAskedAbout(t *testing.T) {
	var asked []authz.Attributes
	a := NewAuthorizer(authz.Func(func(_ context.Context, at *authz.Attributes) (authz.Decision, string, error) {
		asked = append(asked, *at)
		return authz.Allow, "", nil
	}))
	for _, text := range []string{"spec.nodeName=a,status.phase!=b", "spec.nodeName=c", "spec.nodeName=c"} {
		selector, err := fields.ParseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		live, err := labels.ParseToRequirements("app in (x,y),!dead")
		if err != nil {
			t.Fatal(err)
		}
		decision, _, err := a.Authorize(context.Background(), authorizer.AttributesRecord{
			User: &user.DefaultInfo{Name: "erin"}, Verb: "list", Resource: "pods", ResourceRequest: true,
			FieldSelectorRequirements: selector.Requirements(), LabelSelectorRequirements: live,
		})
		if decision != authorizer.DecisionAllow || err != nil {
			t.Errorf("%v %v", decision, err)
		}
	}
	if len(asked) != 2 {
		t.Fatalf("asked %d times", len(asked))
	}
	first := asked[0]
	if first.FieldSelector != "spec.nodeName=a,status.phase!=b" || len(first.Fields) != 1 || first.Fields[0].Value != "a" || first.LabelSelector != "app in (x,y),!dead" {
		t.Errorf("%+v", first)
	}
}
