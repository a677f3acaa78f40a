package authz

import (
	"context"
	"errors"
	"testing"

	"pilothouse/backend/request"
)

func fixed(d Decision, reason string, err error) Authorizer {
	return Func(func(context.Context, *Attributes) (Decision, string, error) { return d, reason, err })
}

func TestUnionStopsAtTheFirstOpinion(t *testing.T) {
	none, deny, allow := fixed(NoOpinion, "none", nil), fixed(Deny, "deny", nil), fixed(Allow, "allow", nil)
	broken := fixed(NoOpinion, "", errors.New("broken"))
	check := func(want Decision, reason string, wantErr bool, list ...Authorizer) {
		t.Helper()
		d, r, err := Union(list...).Authorize(context.Background(), &Attributes{})
		if d != want || r != reason || (err != nil) != wantErr {
			t.Errorf("%v %q %v, want %v %q", d, r, err, want, reason)
		}
	}
	check(Allow, "allow", false, none, allow, deny)
	check(Deny, "deny", false, none, deny, allow)
	check(NoOpinion, "none\nnone", false, none, none)
	check(NoOpinion, "none", true, broken, none)
	check(Allow, "allow", false, broken, allow)
	check(NoOpinion, "", false)
}

func TestNamesInRefusalsAreNoHTML(t *testing.T) {
	err := Forbidden(&Attributes{User: &request.User{Name: "<b>&"}, Verb: "get", Path: "/x"}, "because")
	if want := `forbidden: User "&lt;b&gt;&amp;" cannot get path "/x": because`; err.Error() != want {
		t.Errorf("%s", err)
	}
}
