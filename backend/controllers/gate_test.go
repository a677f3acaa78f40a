package controllers_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/client"
	"pilothouse/backend/config"
	"pilothouse/backend/controllers"
	"pilothouse/backend/scheduler"
)

// running knows which loops run.
type running struct {
	mu    sync.Mutex
	names []string
}

func (r *running) loop(name string) func(controllers.Deps) func(context.Context) error {
	return func(controllers.Deps) func(context.Context) error {
		return func(ctx context.Context) error {
			r.change(func() { r.names = append(r.names, name) })
			<-ctx.Done()
			r.change(func() { r.names = slices.DeleteFunc(r.names, func(n string) bool { return n == name }) })
			return ctx.Err()
		}
	}
}

func (r *running) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *running) are(t *testing.T, want string) {
	t.Helper()
	got := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		r.change(func() { got = strings.Join(slices.Sorted(slices.Values(r.names)), " ") })
		if got == want {
			return
		}
	}
	t.Fatalf("%q run, not %q", got, want)
}

const (
	leases       = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
	nodeLeases   = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
	microseconds = "2006-01-02T15:04:05.000000Z"
)

func hold(c *apitest.Caller, name, holder, seconds string) {
	now := time.Now().UTC().Format(microseconds)
	c.Do("PATCH", leases+"/"+name+"?fieldManager=test&force=true", `{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"`+name+`"},"spec":{"holderIdentity":"`+holder+`",
		"leaseDurationSeconds":`+seconds+`,"renewTime":"`+now+`"}}`, "Content-Type", "application/apply-patch+yaml").Must(200, 201)
}

// TestLoopsGiveWay has a kube-controller-manager and a kube-scheduler come and
// go, as far as their Leases tell.
func TestLoopsGiveWay(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Change: func(o *config.Options) { o.Features.Controllers = nil }})
	c := s.Admin()
	hold(c, "kube-scheduler", "early", "3600") // it is there before the loops
	var r running
	loops := []controllers.Loop{
		{Name: "api", Account: "a", New: r.loop("api")},
		{Name: "own", New: r.loop("own")},
		{Name: "named", Account: "a", Named: true, Workload: true, New: r.loop("named")},
		{Name: "scheduler", User: scheduler.User, New: r.loop("scheduler")},
		{Name: "workload", Account: "a", Workload: true, New: r.loop("workload")},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		controllers.Run(ctx, controllers.Deps{Client: client.New(s.Handler(), nil, "test"), Registry: s.Registry(), Clock: time.Now}, loops)
	}()
	defer func() { cancel(); <-ended; r.are(t, "") }()
	r.are(t, "api named own")

	// The workloads' loops wait for a node that lives.
	c.Post("/api/v1/nodes", `{"metadata":{"name":"n"}}`).Must(201)
	c.Post(nodeLeases, `{"metadata":{"name":"n"},"spec":{"holderIdentity":"n","leaseDurationSeconds":40,"renewTime":"`+time.Now().UTC().Format(microseconds)+`"}}`).Must(201)
	r.are(t, "api named own workload")
	hold(c, "kube-scheduler", "", "1") // it stops
	r.are(t, "api named own scheduler workload")

	hold(c, "kube-controller-manager", "real", "3600")
	r.are(t, "named own scheduler")
	hold(c, "kube-scheduler", "real", "3600")
	r.are(t, "named own")
	c.Delete(leases + "/kube-controller-manager").Must(200)
	r.are(t, "api named own workload")
	hold(c, "kube-controller-manager", "next", "3600")
	r.are(t, "named own")

	// Who does not renew is gone.
	hold(c, "kube-controller-manager", "next", "1")
	hold(c, "kube-scheduler", "real", "1")
	r.are(t, "api named own scheduler workload")
}
