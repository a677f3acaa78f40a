package pages

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources/storage"
	"pilothouse/backend/storage/memory"
	"pilothouse/web/session"
)

// A moment in which the machine, or the authorizer, is slow does not put back into the
// navigation what the user may not list.
func TestWhatIsKnownOfTheUserOutlastsASlowMoment(t *testing.T) {
	r, err := registry.New(registry.Options{Engine: memory.New()})
	if err != nil {
		t.Fatal(err)
	}
	types := slices.DeleteFunc(storage.Resources(&registry.Env{}), func(one registry.Resource) bool { return one.Namespaced })
	if err := r.Add(types...); err != nil {
		t.Fatal(err)
	}
	all := 0
	eachType(r.Table(), func(*registry.Entry) { all++ })
	synctest.Test(t, func(t *testing.T) {
		var each time.Duration
		a := authz.Func(func(context.Context, *authz.Attributes) (authz.Decision, string, error) {
			time.Sleep(each)
			return authz.NoOpinion, "", nil
		})
		c := &Call{R: &request.Request{}, Site: &Site{Registry: r, Authorizer: a, Listable: NewListable(time.Now)}, Session: &session.Session{User: &request.User{Name: "ann"}}}
		f := func(what string, takes time.Duration, want int) {
			t.Helper()
			each = takes
			if got := len(c.unlistable(t.Context())); got != want {
				t.Errorf("%s: %d of %d types are left out, want %d", what, got, all, want)
			}
			time.Sleep(listableFor)
		}
		f("a slow first time", firstTime/time.Duration(all+1), all)
		f("a slow moment", time.Minute, all)
		f("again", 0, all)
		c.Listable = NewListable(time.Now)
		f("too slow a first time", firstTime, 2)
	})
}
