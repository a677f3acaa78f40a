package pages

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"pilothouse/backend/client"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/storage/memory"
	"pilothouse/web/session"
	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// askingOf asks answer about n objects.
func askingOf(n int, answer func(name string) (*request.Response, error)) *asking {
	api := func(_ context.Context, r *request.Request) (*request.Response, error) {
		return answer(r.Path[strings.LastIndexByte(r.Path, '/')+1:])
	}
	empty, err := registry.New(registry.Options{Engine: memory.New()})
	if err != nil {
		panic(err)
	}
	c := &Call{R: &request.Request{}, Site: &Site{Registry: empty}, Session: &session.Session{User: &request.User{Name: "ann"}}, Client: client.New(api, &request.User{Name: "ann"}, "test")}
	targets := make([]target, n)
	for i := range targets {
		targets[i].gvr = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
		targets[i].namespace, targets[i].name = "shop", fmt.Sprint(i)
	}
	return c.asking(targets)
}

func TestADialogAsksAboutAllObjectsAndFewAtATime(t *testing.T) {
	var now, most atomic.Int32
	a := askingOf(1000, func(name string) (*request.Response, error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		switch {
		case strings.HasSuffix(name, "13"):
			return &request.Response{Status: 409, Body: []byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409,"message":"no"}`)}, nil
		case strings.HasSuffix(name, "7"):
			return &request.Response{Status: 200, Body: []byte(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"finalizers":["example.com/a","orphan"]}}`)}, nil
		}
		return &request.Response{Status: 200, Body: []byte(`{"kind":"Status","apiVersion":"v1","status":"Success"}`)}, nil
	})
	a.run(t.Context(), 1000)
	var v view.Bulk
	a.show(&v)
	got := fmt.Sprint(v.Asked.Done, v.Asked.Refused, v.Asked.Waiting, v.Asked.Finalizers, v.Asked.Usual)
	if want := "1000 10 100 [{example.com/a 100}] [{Background 890} {Orphan 100}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(v.Deletes) < 110 || len(v.Deletes) > shownNames+shownSpecial || v.More != 1000-len(v.Deletes) {
		t.Errorf("%d objects are shown, %d more", len(v.Deletes), v.More)
	}
	if most.Load() > dryRuns {
		t.Errorf("%d questions at a time", most.Load())
	}
}

func TestADialogThatIsLeftAsksNoMore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int32
	a := askingOf(1000, func(string) (*request.Response, error) {
		if asked.Add(1) == 100 {
			cancel()
		}
		return &request.Response{Status: 200, Body: []byte(`{"kind":"Status","apiVersion":"v1","status":"Success"}`)}, nil
	})
	a.run(ctx, 1000)
	if n := asked.Load(); n > 100+dryRuns {
		t.Errorf("%d were asked about", n)
	}
}
